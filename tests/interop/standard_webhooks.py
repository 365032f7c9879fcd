"""Verifies captured deliveries with PyPI's `standardwebhooks`.

Standard input: {"secret": "whsec_…", "deliveries": [{"headers": {…},
"body": "<base64>"}]}; standard output: a JSON list, per delivery null or why
it does not verify.
"""

import base64
import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

asked = json.load(sys.stdin)
verifier = Webhook(asked["secret"])
verdicts = []
for delivery in asked["deliveries"]:
    try:
        verifier.verify(base64.b64decode(delivery["body"]), delivery["headers"])
        verdicts.append(None)
    except WebhookVerificationError as error:
        verdicts.append(str(error) or type(error).__name__)
json.dump(verdicts, sys.stdout)
