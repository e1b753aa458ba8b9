"""Settings of all Django processes; values that differ come from the environment.

``HITL_PROCESS`` names the process, which uses the database login of that name. The grants in
``sql/grants.sql`` decide what a login may do.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from urllib.parse import urlsplit

from hitlportal import __version__, env, logs, places
from hitlportal.variables import DJANGO_PROCESSES

env.require_all()
PROCESS = env.choice("HITL_PROCESS", DJANGO_PROCESSES)
# These serve no requests and send no messages: no broker, no cache, no session key.
ALONE = PROCESS in ("sequencer", "eraser", "operator")
DEBUG = env.boolean("HITL_DEBUG")
SECRET_KEY = secrets.token_urlsafe(64) if ALONE else env.secret("HITL_SECRET_KEY")
ORIGIN = env.text("HITL_ORIGIN")
_host = urlsplit(ORIGIN).hostname or ""
RP_ID = env.text("HITL_RP_ID") or _host
if not RP_ID:
    raise env.ConfigurationError("HITL_ORIGIN must be an origin such as https://portal.example")
SECURE = ORIGIN.startswith("https://")
ALLOWED_HOSTS = env.words("HITL_ALLOWED_HOSTS") or ([_host] if _host else [])
CSRF_TRUSTED_ORIGINS = [ORIGIN]

INSTALLED_APPS = [
    "hitlportal.apps.PortalConfig",
    "remediation.apps.RemediationConfig",
    "audit.apps.AuditConfig",
    "hitlportal.apps.PortalAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "guardian",
    "rest_framework",
    "drf_spectacular",
    "django_htmx",
    "csp",
]

MIDDLEWARE = [
    "hitlportal.request_id.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "hitlportal.middleware.SessionMiddleware",
    "hitlportal.language.LanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "hitlportal.middleware.PasskeySessionMiddleware",
    "hitlportal.write_limit.WriteLimitMiddleware",
]

ROOT_URLCONF = "hitlportal.urls"
WSGI_APPLICATION = "hitlportal.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "hitlportal.site.chrome",
            ]
        },
    }
]

# -- database: one login per process; the auditors' pages read through their own login -----------
DATABASES: dict[str, dict[str, object]] = {"default": env.postgres(env.secret("HITL_DATABASE_URL"))}
_auditor = env.secret("HITL_AUDITOR_DATABASE_URL")
if _auditor:
    DATABASES["auditor"] = env.postgres(_auditor)
DATABASE_ROUTERS = ["hitlportal.routers.DefaultOnly"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# A refusal is recorded after its transaction rolled back, so views open their own transactions.
ATOMIC_REQUESTS = False

# -- people ----------------------------------------------------------------------------------------
AUTH_USER_MODEL = "remediation.User"
# Without guardian's backend: services/access/authorize.py reads group and object rows itself.
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
SILENCED_SYSTEM_CHECKS = ["guardian.W001"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    # NIST SP 800-63B-4 asks for 15 characters for a password alone, 8 with a second factor. The
    # passkey is always the second factor; 12 leaves a margin.
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
# guardian: create no anonymous user, add no methods to the user model.
ANONYMOUS_USER_NAME = None
GUARDIAN_MONKEY_PATCH_USER = False
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"  # the first page of each role
LOGOUT_REDIRECT_URL = ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
# No sign-up, no password reset by mail; a passkey is the second factor.
ACCOUNT_ADAPTER = "hitlportal.adapter.AccountAdapter"
MFA_ADAPTER = "hitlportal.adapter.MFAAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_CHANGE_EMAIL = False
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
# Counted in the shared cache by address (ip), by account and address together (key: doors.py), or
# by signed-in account (user). Nothing is counted by the name of an account alone: anybody who knows
# a name could keep its person out (docs/attacks.md A74).
ACCOUNT_RATE_LIMITS = {
    # By address only against floods: a whole organisation may sign in from one. What counts
    # against guessing is what failed.
    "login": "120/m/ip",
    # Slow, not locked: who waits a minute may try again.
    "login_failed": "5/m/key,30/h/key,20/m/ip",
    "reauthenticate": "10/m/user",
    "change_password": "5/m/user",
    # Wrong codes only (views/account/invite.py); a code has 100 bits.
    "invite": "30/m/ip",
}
# Of sign-ins by passkey alone; a passkey cannot be guessed.
MFA_RATE_LIMITS = {"webauthn_login": "240/m/ip"}
MFA_SUPPORTED_TYPES = ["webauthn"]
# A passkey that the device can find by itself signs in alone, with user verification; any other
# one stays the second step after the password.
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_FORMS = {
    "login_webauthn": "hitlportal.passkey_login.PasskeyLoginForm",
    "authenticate_webauthn": "hitlportal.passkey_login.PasskeyStepForm",
}
MFA_PASSKEY_SIGNUP_ENABLED = False
MFA_TRUST_ENABLED = False
MFA_WEBAUTHN_USER_VERIFICATION = "required"
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = False  # http://localhost is a secure context

# -- sessions, cookies, headers --------------------------------------------------------------------
# Sessions are in the cache, so that no database login can read a session key (docs/attacks.md A47).
SESSION_ENGINE = "hitlportal.session_store"
SESSION_COOKIE_AGE = 8 * 3600  # one shift
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SESSION_COOKIE_HTTPONLY = True
# Lax, so that a link in a mail works while signed in; a GET changes nothing, a POST has a token.
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
# Scripts take the token from the form, not from the cookie.
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Strict"
CSRF_FAILURE_VIEW = "remediation.views.errors.csrf_failure"
# In a signed cookie: a message about what is committed must not fail with the sessions' cache.
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"
SECURE_SSL_REDIRECT = SECURE
SECURE_HSTS_SECONDS = max(0, env.integer("HITL_HSTS_SECONDS")) if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_SECONDS > 0
# Browsers' lists take no shorter time than a year.
SECURE_HSTS_PRELOAD = SECURE_HSTS_SECONDS >= 31_536_000
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if env.boolean("HITL_BEHIND_TLS_PROXY") else None
)
# The client's address is this entry of X-Forwarded-For, from the right (hitlportal/doors.py).
PROXY_HOPS = env.text("HITL_PROXY_HOPS")
ALLAUTH_TRUSTED_PROXY_COUNT = (
    env.integer("HITL_PROXY_HOPS") if PROXY_HOPS else int(SECURE_PROXY_SSL_HEADER is not None)
)
if not 0 <= ALLAUTH_TRUSTED_PROXY_COUNT <= 10:
    raise env.ConfigurationError("HITL_PROXY_HOPS must be a number from 0 to 10")
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "img-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    }
}

# -- cache and broker ------------------------------------------------------------------------------
CACHES: dict[str, dict[str, object]] = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": env.secret("HITL_CACHE_URL"),
        "KEY_PREFIX": "hitl",
        # A cache that hangs must not hold the web process's threads.
        "OPTIONS": {"serializer": "hitlportal.cache.JSONSerializer", "socket_timeout": 5},
    }
    if not ALONE
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}
BROKER_URL = "" if ALONE else env.broker(env.secret("HITL_BROKER_URL"))

# -- language, time, static files ------------------------------------------------------------------
# The language of everything recorded, signed, mailed or sent to agents (hitlportal/language.py).
LANGUAGE_CODE = "en"
USE_I18N = True
# Languages of pages. To add one: compile its catalog under locale/ and add a line here.
LANGUAGES = [("en", "English")]
LOCALE_PATHS = [places.LOCALE]
# Numbers on pages also appear in addresses, attributes and commands.
USE_THOUSAND_SEPARATOR = False
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = Path(env.text("HITL_STATIC_ROOT") or places.data("staticfiles"))
WHITENOISE_USE_FINDERS = (
    env.boolean("HITL_STATIC_FROM_SOURCE") if env.text("HITL_STATIC_FROM_SOURCE") else DEBUG
)

# -- mail ------------------------------------------------------------------------------------------
EMAIL_BACKEND = env.text("HITL_EMAIL_BACKEND")
EMAIL_FILE_PATH = env.text("HITL_EMAIL_FILE_PATH") or None
EMAIL_HOST = env.text("HITL_EMAIL_HOST")
EMAIL_PORT = env.integer("HITL_EMAIL_PORT")
EMAIL_HOST_USER = env.text("HITL_EMAIL_USER")
EMAIL_HOST_PASSWORD = env.secret("HITL_EMAIL_PASSWORD")
EMAIL_USE_TLS = env.boolean("HITL_EMAIL_TLS")
EMAIL_TIMEOUT = 5
DEFAULT_FROM_EMAIL = env.text("HITL_EMAIL_FROM")
# Only the worker has this file; it names every other host that a notification goes to.
CHANNELS_FILE = env.text("HITL_CHANNELS_FILE")

# -- the gate --------------------------------------------------------------------------------------
# Only the worker has these two files; the web process neither reads nor needs them.
APPROVERS_FILE = env.text("HITL_APPROVERS_FILE")
TARGETS_FILE = env.text("HITL_TARGETS_FILE")
# Clusters that no plan may name: the portal's own (promise: `protected_target`).
PROTECTED_CLUSTERS = frozenset({"portal", "hitlportal", *env.words("HITL_PROTECTED_CLUSTERS")})
# Locators of emergency identities: a plan that targets one fails a check.
PROTECTED_TARGETS = frozenset(env.words("HITL_PROTECTED_TARGETS"))
# How often a run asks people; `remediation.domain.holds.Mode` has the words.
APPROVAL_MODE = env.choice("HITL_APPROVAL_MODE", ("every_proposal", "every_step"))
# Allows the kinds and actions that exist only for tests and benchmarks.
ALLOW_TEST_ACTIONS = env.boolean("HITL_ALLOW_TEST_ACTIONS")

# -- the audit log ---------------------------------------------------------------------------------
# The closed list of its events, and the function that describes an entry.
AUDIT_VOCABULARY = "remediation.domain.events.Event"
AUDIT_DESCRIBE = "remediation.domain.sentences.describe"
# Judges whether a person signed what an entry says; the daily verification asks it.
AUDIT_SIGNED = "remediation.domain.signed_acts.SignedActs"
# Names beside ids, on the auditors' pages: by reference, and from what an auditor types.
AUDIT_NAMES = "remediation.views.names.entry_names"
AUDIT_REFERENCE = "remediation.views.names.reference_of"
# C2SP tlog-policy: the keys that sign the log, its witnesses and their quorum. Without it the
# worker executes nothing. The auditors' pages show it; the sequencer asks its witnesses.
AUDIT_POLICY_FILE = env.text("HITL_AUDIT_POLICY_FILE")
BANNERS_FILE = env.text("HITL_BANNERS_FILE")
# The last head that this host accepted (worker) or signed (sequencer); never in the database.
AUDIT_HEAD_FILE = env.text("HITL_AUDIT_HEAD_FILE")
# How long the worker waits for a checkpoint before it refuses (`audit_unavailable`, retried).
AUDIT_WAIT_MS = env.integer("HITL_AUDIT_WAIT_MS")
# Only for the sequencer: `file:PATH`, `env:NAME` or `transit:URL`. The second key also signs
# while verifiers switch to it.
AUDIT_KEY = env.text("HITL_AUDIT_KEY")
AUDIT_KEY_NEXT = env.text("HITL_AUDIT_KEY_NEXT")
# Addresses that are notified when the daily verification finds the log broken.
AUDIT_ALARM_TO = env.words("HITL_AUDIT_ALARM_TO")

# Called in each turn of the sequencer: its sign of life.
AUDIT_ALIVE = "hitlportal.heartbeat.in_turn"

# -- agents' API -----------------------------------------------------------------------------------
REPORT_MAX_BYTES = 8 * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = REPORT_MAX_BYTES + 65_536
WRITES_PER_MINUTE = max(1, env.integer("HITL_WRITES_PER_MINUTE"))  # per person (A89)
AGENT_RATE = env.text("HITL_AGENT_RATE")  # per agent (docs/attacks.md A34)
# Keep it below the number of threads of a web process: the others serve pages (A83).
REPORTS_AT_ONCE = max(1, env.integer("HITL_REPORTS_AT_ONCE"))
OBSERVE_BUDGET_PER_HOUR = env.integer("HITL_OBSERVE_BUDGET_PER_HOUR")
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["remediation.api.authentication.AgentTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["remediation.api.authentication.IsAgent"],
    "DEFAULT_PARSER_CLASSES": ["remediation.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": ["remediation.api.throttling.AgentThrottle"],
    "EXCEPTION_HANDLER": "remediation.api.problems.handle",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "hitlportal agents' API",
    "DESCRIPTION": "Agents report incidents on non-human identities and propose a remediation.",
    "VERSION": "1",
    "EXTENSIONS_INFO": {"x-hitlportal-version": __version__},
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
}

# -- logging to stderr: one line per event, even with control characters --------------------------
LOGGING = logs.configuration()
