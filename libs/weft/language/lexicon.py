"""The words the rules know. Everything they decide stands in these tables."""

from collections.abc import Mapping

__all__ = ["SEVERITIES", "words"]


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


READING = ("answer", "explain", "plan", "diagnose", "research", "compare", "monitor")
ACTING = ("build", "modify", "remediate", "generate_code", "coordinate", "escalate")

CUES: Mapping[str, str] = {
    "diagnose": """
        diagnose diagnosing diagnosis why troubleshoot troubleshooting debug debugging
        investigate investigating triage analyze analyse analyzing analysing inspect inspecting
        examine examining review reviewing audit auditing broke rca postmortem
    """,
    "explain": """
        explain explaining describe describing clarify interpret elaborate illustrate teach
        summarize summarise
    """,
    "plan": "plan planning outline roadmap strategize propose design draft schedule",
    "build": """
        build building create creating make construct develop provision scaffold generate
        produce
        assemble write prepare
    """,
    "modify": """
        modify change update edit refactor rename adjust migrate upgrade downgrade convert
        replace
        configure reconfigure tune scale move add remove delete drop enable disable set deploy
        release reassign delay postpone reschedule pause resume send reply forward book cancel
        pay
        refund transfer order purchase buy submit approve publish upload invite patch apply
        execute rotate purge wipe truncate erase terminate decommission merge resize
    """,
    "remediate": """
        fix fixing remediate remediating repair repairing restart restarting reboot redeploy
        revert
        rollback mitigate mitigating resolve resolving restore recover heal failover drain
        unblock stop kill flush
    """,
    "generate_code": "implement implementing code program",
    "research": """
        research researching find search searching lookup explore exploring gather collect
        survey
        study locate discover
    """,
    "compare": "compare comparing comparison versus vs contrast debate weigh benchmark",
    "monitor": "monitor monitoring watch watching track tracking observe observing",
    "coordinate": "coordinate coordinating orchestrate delegate assign organize organise arrange",
    "escalate": "escalate escalating page notify alert inform",
}
"""The single words that name a goal; the first in a text is its primary goal."""

NO_GOAL = ""

PHRASES: Mapping[str, str] = {
    "diagnose": """
        root cause; what caused; what causes; what is causing; what's causing; what is wrong;
        what's wrong; what went wrong; what broke; what happened; look into; dig into; find out why;
        figure out why; how come; reason for; get to the bottom
    """,
    "explain": """
        how does; how do; how is; how are; how to; how can; how should; how would; walk me through;
        what does; what do you mean; tell me about
    """,
    "build": "set up; put together; come up with; spin up",
    "modify": "turn on; turn off; switch on; switch off; scale up; scale down; shut down; clean up",
    "remediate": "roll back; bring back; fail over; get rid of; take down",
    "research": "look up; find out; search for; learn about",
    "compare": """
        difference between; differences between; which is better; better than; pros and cons;
        trade-offs between; tradeoffs between; choose between; decide between
    """,
    "monitor": "keep an eye; let me know when; alert me when; health check; check the health",
    "coordinate": "hand off; hand over; work together; bring together",
    NO_GOAL: "make sure; makes sense; make sense; a set of; due to; in order to; added to",
    "escalate": "wake up; call the on-call; open an incident; raise an incident; raise an alarm",
}
"""The same for several words in a row, phrases parted by semicolons."""

PAIRS: tuple[tuple[str, frozenset[str], frozenset[str]], ...] = (
    (
        "diagnose",
        words("find identify determine locate pinpoint discover establish explain tell"),
        words("cause causes culprit bottleneck root-cause why"),
    ),
    (
        "generate_code",
        words("write generate create build make develop produce add draft"),
        words(
            "code function functions script scripts class classes program method methods module "
            "regex snippet unit-test unit-tests unittest unittests sql decorator algorithm parser"
        ),
    ),
    (
        "monitor",
        words("check report verify"),
        words("health healthy status uptime availability alerts slo slos"),
    ),
    ("plan", words("make create write build prepare develop"), words("plan roadmap outline")),
)
"""A verb, and a later word of the same clause that together name a goal."""

SYMPTOMS = words("""
    slow slower sluggish slowdown slowness latency lag lagging down outage failing fails failed
    failure failures broken crash crashes crashing crashed error errors exception exceptions
    timeout timeouts unavailable unresponsive degraded degradation stuck hanging hangs spike
    spikes
    spiking leak leaking anomaly anomalies incident flapping throttled overloaded
""")
"""Where nothing else names a goal, a statement with one of these is a call for diagnosis."""

ASKING = words("what when where who whom which whose show list give tell get display print count")
"""Openers of a plain question or request: its symptoms are what it asks about."""

AMBIGUOUS = words("""
    page alert plan build change update release patch order watch track set move search code
    program
    fix scale restart deploy design draft schedule outline drop stop contrast survey study
    record
    reboot email post start close reserve block push commit review audit flush debate make
    report benchmark research monitor rollback merge kill transfer call charge
    purchase test debug restore reset delay pause resume reply forward book submit cancel
    archive replace purge upgrade bounce toggle undo
""")
"""Nouns as often as verbs: a cue only where a verb can stand."""

VERB_LEADS = words("""
    please to also just must should can could you will now or not don't dont never we i let's
    lets
    immediately first next again help kindly let them it i'll we'll cannot shall would may might
    always simply quickly safely maybe needs going gonna somebody someone anybody anyone
""")
"""What may stand before a verb that is not the first word of its clause."""

ANSWERED_BY_FACTS = words("""
    why when who which what what's where did does has was were is are am whether how
""")
"""Openers of clauses that ask about something: what they mention is not asked for."""

AUXILIARIES = words("did do does is are was were will would should has have had can could")
"""What follows `when` and `where` in a question; otherwise they open a condition."""

CLAUSE_BREAKS = words("and then but so because while whereas plus afterwards")
NEGATIONS = words(
    "not no never don't dont without avoid cannot can't cant won't neither nor refuse"
)
CONDITIONS = words("""
    if unless when whenever once until should would could might may assuming provided depending
    otherwise hypothetically suppose supposing maybe perhaps before after case
""")

REPORTING = words("""
    say says said saying told tells telling suggest suggests suggested recommend recommends recommended
    want wants wanted ask asks asked think thinks thought advise advises advised insists insisted
""")
"""Verbs with which is told what somebody else would have done."""

INABILITY = words("can't cannot cant couldn't")
PEOPLE = words("users customers clients people shoppers buyers visitors they somebody someone")
TELLING = words("when while if after because that as since whenever where")
"""What stands before people of whom is told what they do."""

EFFECTS = words("""
    restart restarting reboot deploy redeploy release rollback revert scale resize drain
    failover
    modify change update edit rename migrate upgrade downgrade configure reconfigure patch
    rotate
    enable disable apply execute install uninstall push merge commit publish send email notify
    page
    escalate post submit approve cancel pay refund charge transfer purchase order buy book
    reserve
    schedule reschedule reassign delay postpone forward reply archive pause resume
    grant block unblock flush stop kill start reset restore mitigate remediate fix repair
    replace move
    remove add set insert upload invite assign close reopen bounce relaunch toggle activate deactivate undo
""")
DESTRUCTIVE = words("""
    delete deleting drop dropping purge wipe destroy truncate erase terminate decommission
    overwrite revoke shutdown nuke deprovision
""")
EFFECT_PHRASES = "roll back; fail over; shut down; turn off; switch off; take down; scale down"
PRODUCTION = words("production prod live customer-facing customers")

BREADTH = words("""
    all every entire whole across each everything everywhere comprehensive thorough thoroughly
    full complete system-wide end-to-end fleet-wide company-wide multiple several various
    overall
    in-depth exhaustive
""")

MEMORY_PHRASES = """
    as before; you said; you told; we discussed; we talked; last time; remember; my previous;
    my earlier; my last; continue; as i said; earlier today you; the same as
"""
TEAM_PHRASES = """
    agents; specialists; experts; multi-agent; teams; second opinion; independently; cross-check;
    everyone; several people
"""
APPROVAL_PHRASES = """
    approval; approve; approved; approves; ask me; ask first; confirm with; check with me; sign-off;
    my permission; my okay; my ok; wait for me; before you act
"""
CRITERIA_PHRASES = """
    so that; until; make sure; ensure; must; should; at least; at most; no more than; less than;
    success means; done when; acceptance
"""

READING_VERBS = words("""
    get list search find read fetch show describe query lookup look count check inspect analyze
    analyse view explain summarize summarise compute calculate compare trace detect diagnose
    investigate examine profile measure scan monitor explore tail grep select estimate validate
    is has can
""")
"""A tool named with one of these only looks."""

GOAL_TERMS: Mapping[str, frozenset[str]] = {
    "diagnose": words("""
        diagnose diagnosis analyze analyse analysis investigate inspect examine detect anomaly
        anomalies cause causes root troubleshoot debug error errors fault failure incident
        regression
        slow slowest bottleneck outlier suspicious
    """),
    "explain": words("explain describe summarize summarise definition meaning overview"),
    "plan": words("plan plans planning roadmap schedule"),
    "build": words("build create construct scaffold provision"),
    "modify": words("modify change update edit rename migrate configure"),
    "remediate": words("fix remediate repair restart rollback mitigate restore"),
    "generate_code": words("code generate implement program compile"),
    "research": words("research search lookup survey literature documentation"),
    "compare": words("compare comparison difference diff versus"),
    "monitor": words("monitor watch track health status alert alerts anomaly anomalies"),
    "coordinate": words("coordinate orchestrate assign delegate"),
    "escalate": words("escalate page notify alert incident oncall"),
    "answer": frozenset(),
}
"""What the description of a tool says that serves a goal."""

COMMON = words("""
    a an the this that these those there here it its it's i i'm me my we us our you your they
    them
    their he she his her is are was were be been being am do does did done doing have has had
    having
    will would shall should can could may might must to of in on at by for from with without
    within
    into onto over under about after before during since until up down out off again further
    more
    most some any no not nor only own same so than too very just also as if or and but because
    while
    what which who whom whose when where why how please want need let lets let's don't dont
    get give tell show find make use using used go one two first last new old all each every
    both
    few many much such other another per via between like help know see look take put try
    now today currently current data information result results value values given return
    returns
    returning user users specific certain based provide provides provided various e.g i.e etc
    name
    service services system systems issue issues problem problems happen happened happening
    list input output text string number tool tools agent function thing things way able
    available
    whether
""")
"""Words that say nothing about what a request or tool is about."""

ENGLISH = COMMON | words("""
    hello hi thanks thank service services system error errors slow checkout failing logs log
    metrics trace traces code
""")
"""A text of some length with none of these, and no cue, is taken for another language."""

FOREIGN = words("""
    der die das und ist nicht warum wieso weshalb wie wann welche welcher welches seit wo wer gibt ein
    eine einen den dem mit auf für von zu zum zur sind hat haben wurde kein keine langsam fehler
    pourquoi le la les des est sont quel quelle quels quelles quand depuis comment combien une dans
    avec sur erreurs lent lente panne pas où qui qu'est-ce
    por qué porque cuándo cuando cómo como cuál cuáles el los las está están una con del desde lento
    lenta hay errores
    perché quando quale quali il lo gli è sono dove cosa errori lento
    por que qual quais quando onde está estão não uma lento erros
    waarom wanneer welke hoe het een zijn niet traag fouten
    dlaczego kiedy jest dlaczego neden hangi varför hvorfor när
""") - words("die man den an as in so was on me do no la hat war des also el a com los gas")
"""Common words of other languages that are none in English."""

METRICS = words("""
    latency throughput cpu memory errors error-rate availability saturation p50 p90 p95 p99 qps
    rps
    requests traffic disk bandwidth uptime
""")
ENVIRONMENTS = words("production prod staging development dev testing test qa sandbox")
NOT_A_SERVICE = words("""
    there anything something everything nothing someone everyone somebody everybody anybody nobody
    people request requests performance
    response page website site application app server system error high low big sudden major
    minor
    bad latency cpu memory network root severe
""")

ARGUMENT_KINDS: Mapping[str, frozenset[str]] = {
    "service": words(
        "service services app application component target system workload deployment"
    ),
    "metric": words("metric metrics signal measure series"),
    "window": words("window duration period lookback range timeframe interval span last"),
    "id": words("id ids identifier key uuid ticket run reference number code order"),
    "url": words("url link uri endpoint website address"),
    "email": words("email mail recipient to"),
    "path": words("path file filename filepath directory folder"),
    "environment": words("environment env stage namespace cluster"),
    "proper": words("""
        city location place country town region person customer client company owner author
        destination origin airport name who whom guest visitor
    """),
    "time": words("time timestamp datetime start end since until at when from before after"),
    "date": words("date day start end since until from"),
    "quoted": words("""
        text message query pattern keyword keywords search title subject body term phrase name
        content comment note reason string expression
    """),
    "request": words("prompt task question query request goal instruction instructions problem"),
}
"""Which entities an argument takes, by the words of its name."""

SECONDS: Mapping[str, float] = {
    "ms": 0.001, "millisecond": 0.001, "s": 1, "sec": 1, "second": 1, "m": 60, "min": 60,
    "minute": 60, "h": 3600, "hr": 3600, "hour": 3600, "d": 86_400, "day": 86_400,
    "w": 604_800, "week": 604_800,
}  # fmt: skip

SEVERITIES: Mapping[str, float] = {
    "critical": 5, "fatal": 5, "emergency": 5, "blocker": 5, "high": 4, "error": 4, "major": 4,
    "medium": 3, "moderate": 3, "warning": 3, "warn": 3, "low": 2, "minor": 2, "info": 1,
    "informational": 1, "note": 1, "debug": 0,
}  # fmt: skip
