"""What is said of an answer that has not the form it must have: to its model, and to who asked."""

from weft.core import Message
from weft.events import ErrorData
from weft.loop.output import OutputForm, ParsedOutput
from weft.loop.result import OUTPUT_INVALID
from weft.loop.terminate import Stop
from weft.models import ModelResponse

NO_TOOLS_NOW = "an answer is put into form without tools; nothing was called"
HOW_TO_SET = "set OPENAI_API_KEY, or WEFT_MODEL to a model such as 'openai:gpt-4o'"


def read_in(form: OutputForm, text: str) -> ParsedOutput | str:
    """Return the answer in its form, or what is wrong with it."""
    try:
        return form.read(text)
    except ValueError as error:
        return str(error)


def sent_back(fault: str, response: ModelResponse) -> Message:
    """Return what a model is told of its answer."""
    lines = [f"The answer is not of the form that was asked for: {fault}."]
    if response.stop_reason == "length":
        lines.append("It was cut at its length limit: say less.")
    lines.append("Answer again, whole, as JSON of that form and nothing else.")
    return Message.system(" ".join(lines))


def not_of_form(fault: str, *, replies: int) -> Stop:
    """Return the end of a run whose model did not bring its answer into form."""
    times = "" if replies == 1 else f" in any of {replies} replies"
    return _invalid(f"the answer is not of the form that was asked for{times}: {fault}")


def not_by_rules(fault: str, *, instead: bool) -> Stop:
    """Return the end of a run that rules answered, who know nothing more when asked again."""
    message = f"no language model answered, and rules cannot fill in what was asked for: {fault}"
    return _invalid(message if instead else f"{message}; {HOW_TO_SET}")


def _invalid(message: str) -> Stop:
    return Stop("error", message, error=ErrorData(code=OUTPUT_INVALID, message=message))
