"""A live Django to talk to: one JSON request a line, one JSON answer a line, until the input ends."""
import json
import sys

import django
from django.conf import settings

settings.configure(
    SECRET_KEY=sys.argv[1],
    USE_TZ=True,
    SESSION_SERIALIZER="django.contrib.sessions.serializers.JSONSerializer",
)
django.setup()

from django.contrib.sessions.backends.signed_cookies import SessionStore as CookieStore  # noqa: E402
from django.contrib.sessions.backends.base import SessionBase  # noqa: E402


class SessionStore(SessionBase):
    """Encodes and decodes as the db backend, whose class has this name and so this salt."""

    key_salt = "django.contrib.sessions.SessionStore"


def answer(request):
    op, value = request["op"], request.get("value")
    if op == "version":
        return django.get_version()
    if op == "encode":
        return SessionStore().encode(value)
    if op == "decode":
        return SessionStore().decode(value)
    if op == "cookie":
        session = CookieStore(None)
        session.update(value)
        session.save()
        return session.session_key
    if op == "read_cookie":
        session = CookieStore(value)
        return {"items": dict(session.items()), "good": not session.modified}
    raise ValueError(op)


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
