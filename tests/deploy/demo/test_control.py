"""The demo shop as a target: operated over HTTP by the operator's own driver, while it works."""

from pathlib import Path

import aiohttp
import anyio
import pytest

from deploy.demo.control import operated_shop
from services.operator.actions import Action, ServiceState
from services.operator.target import HttpTarget, TargetError
from weft.tools import NOT_DONE, EffectNotDone, done

ON = Action(kind="set_flag", service="payment", flag="fraud_scoring", on=True)
BASKET = {"sku": "lamp", "quantity": 1}


@pytest.mark.timeout(90)
async def test_the_shop_is_switched_scaled_restarted_and_paged_about_while_it_works(
    tmp_path: Path,
) -> None:
    with anyio.fail_after(80):
        async with operated_shop(tmp_path) as shop, aiohttp.ClientSession() as session:
            target = HttpTarget(session, shop.url, shop.token_file)

            async def payment() -> ServiceState:
                found = (await target.state()).service("payment")
                assert found is not None
                return found

            async def bought() -> int:
                async with session.post(f"{shop.urls['frontend']}/checkout", json=BASKET) as answer:
                    return answer.status

            before, first = await payment(), await bought()
            await target.perform(ON, key="k-1")
            await target.perform(ON.model_copy(update={"on": False}), key="k-2")
            await target.perform(ON, key="k-1")
            switched = await payment()
            await target.perform(Action(kind="restart_service", service="payment"), key="k-3")
            restarted, second = await payment(), await bought()
            scale = Action(kind="scale_service", service="payment", replicas=2)
            await target.perform(scale, key="k-4")
            scaled, third = await payment(), await bought()
            page = Action(kind="page_person", who="on-call", message="look")
            await target.perform(page, key="k-5")
            outcomes = [await target.outcome(key) for key in ("k-1", "k-9")]
            with pytest.raises(EffectNotDone, match="no service 'shop'"):
                await target.perform(Action(kind="restart_service", service="shop"), key="k-6")
            with pytest.raises(TargetError, match="401"):
                await HttpTarget(session, shop.url, None).state()

    assert (first, second, third) == (201, 201, 201)
    assert (before.replicas, before.flags[0].on, before.flags[0].changed_at) == (1, False, None)
    # What was carried out under a key is not done again.
    assert switched.flags[0].on is False
    assert (restarted.replicas, scaled.replicas) == (1, 2)
    assert (restarted.started_at or 0) > (before.started_at or 0)
    assert shop.pages == ["look"]
    assert outcomes == [done(), NOT_DONE]
