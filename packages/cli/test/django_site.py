"""A live Django with its own table of sessions: one JSON request a line, one JSON answer a line."""
import json
import sys
from urllib.parse import urlsplit

import django
from django.conf import settings



def database(url):
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": parts.path}
    engine = {"postgres": "postgresql", "mysql": "mysql"}[parts.scheme]
    return {
        "ENGINE": "django.db.backends." + engine,
        "NAME": parts.path[1:],
        "USER": parts.username,
        "HOST": parts.hostname,
        "PORT": parts.port,
    }


settings.configure(
    SECRET_KEY=sys.argv[1],
    USE_TZ=True,
    DATABASES={"default": database(sys.argv[2])},
    INSTALLED_APPS=["django.contrib.sessions"],
    SESSION_SERIALIZER="django.contrib.sessions.serializers.JSONSerializer",
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
)
django.setup()

from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.contrib.sessions.models import Session  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

call_command("migrate", verbosity=0)


def answer(request):
    op, value = request["op"], request.get("value")
    if op == "create":
        session = SessionStore()
        expiry = value.pop("expiry", None)
        session.update(value)
        if expiry is not None:
            session.set_expiry(expiry)
        session.create()
        session.save()
        return session.session_key
    if op == "decoded":
        return Session.objects.get(pk=value).get_decoded()
    if op == "payload":
        return Session.objects.get(pk=value).session_data
    if op == "keys":
        return sorted(Session.objects.values_list("session_key", flat=True))
    if op == "exists":
        return SessionStore().exists(value)
    if op == "select":
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM django_session")
            return [row[0] for row in cursor.fetchall()]
    if op == "schema":
        with connection.cursor() as cursor:
            names = sorted(connection.introspection.table_names(cursor))
            table = connection.introspection.get_table_description(cursor, "django_session")
            constraints = connection.introspection.get_constraints(cursor, "django_session")
        return [names, [str(column) for column in table], sorted(constraints)]


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
