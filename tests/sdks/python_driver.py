"""Makes the calls of one run with an SDK for Python: `python_driver.py MODULE URL KEY PLAN`, PLAN being JSON (plan.py).

Runs with the SDK's own interpreter, beside nothing of this product. Everything but the address and the key is the SDK's
default. Prints the SDK's version; exits non-zero when the SDK gave up on anything.
"""

import importlib
import json
import sys
from typing import Any

module, url, key, plan = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
sdk: Any = importlib.import_module(module)
failures: list[str] = []

sdk.write_key = key
setattr(sdk, plan["address"], url)
sdk.on_error = lambda error, items: failures.append(f"{len(items)} events: {error!r}")

context = {"groupId": plan["account"]}
for number in range(plan["people"]):
    person = f"user-{number}"
    sdk.identify(person, {"email": f"{person}@customer.example"}, dict(context))
    sdk.group(person, plan["account"], {"name": "A customer", "plan": "pro"}, dict(context))
    sdk.page(person, "Docs", "Start", {"url": "https://app.example/start"}, dict(context))
for number in range(plan["tracks"]):
    person, event = f"user-{number % plan['people']}", plan["events"][number % len(plan["events"])]
    sdk.track(person, event, {"rows": number, "format": "csv"}, dict(context))
sdk.shutdown()

sys.stdout.write(sdk.__version__)
sys.exit("\n".join(failures) or None)
