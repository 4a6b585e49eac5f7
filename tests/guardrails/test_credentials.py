"""Secrets: what is found, what is left alone, and what must hold for every text.

The values are made up from a seed, so that no scanner of this repository takes them for real ones.
"""

import base64
import json
import random
import string
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.guardrails import find_secrets, masked
from fairlead.guardrails.placeholders import entropy

DICE = random.Random(4)
LETTERS = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
WORD = LETTERS + "_-"
BASE64 = LETTERS + "+/"
BASE32 = string.ascii_uppercase + "234567"


def drawn(letters: str, count: int) -> str:
    return "".join(DICE.choices(letters, k=count))


def armoured(kind: str, size: int) -> str:
    body = base64.b64encode(DICE.randbytes(size)).decode()
    lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    return f"-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----"


def signed() -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'HS256'})}.{part({'sub': drawn(LETTERS, 9)})}.{drawn(WORD, 43)}"


TOKENS: list[tuple[str, str]] = [
    ("aws_access_key", "AKIA" + drawn(BASE32, 16)),
    ("aws_bedrock_key", "ABSK" + drawn(BASE64, 128)),
    ("github_token", "ghp_" + drawn(LETTERS, 36)),
    ("github_token", "github_pat_" + drawn(LETTERS, 22) + "_" + drawn(LETTERS, 59)),
    ("gitlab_token", "glpat-" + drawn(LETTERS, 20)),
    ("slack_token", f"xoxb-{drawn('12345678', 11)}-{drawn('12345678', 12)}-{drawn(LETTERS, 24)}"),
    ("slack_token", f"xapp-1-A{drawn(BASE32, 10)}-{drawn('12345678', 13)}-{drawn(HEX, 64)}"),
    ("google_api_key", "AIza" + drawn(LETTERS, 35)),
    ("google_oauth_secret", "GOCSPX-" + drawn(LETTERS, 28)),
    ("google_oauth_token", "ya29." + drawn(LETTERS, 120)),
    ("google_oauth_token", "1//0" + drawn(LETTERS, 60)),
    ("stripe_key", "sk_live_" + drawn(LETTERS, 24)),
    ("stripe_key", "whsec_" + drawn(LETTERS, 32)),
    ("anthropic_key", "sk-ant-api03-" + drawn(LETTERS, 93) + "AA"),
    ("openai_key", "sk-" + drawn(LETTERS, 20) + "T3BlbkFJ" + drawn(LETTERS, 20)),
    ("openai_key", "sk-proj-" + drawn(LETTERS, 74) + "T3BlbkFJ" + drawn(LETTERS, 74)),
    ("openai_key", "sk-" + drawn(LETTERS, 48)),
    ("huggingface_token", "hf_" + drawn(string.ascii_letters, 34)),
    ("npm_token", "npm_" + drawn(LETTERS, 36)),
    ("pypi_token", "pypi-AgEIcHlwaS5vcmcC" + drawn(LETTERS, 130)),
    ("azure_client_secret", drawn(LETTERS, 3) + "8Q~" + drawn(LETTERS, 34)),
    ("digitalocean_token", "dop_v1_" + drawn(HEX, 64)),
    ("twilio_key", "SK" + drawn(HEX, 32)),
    ("sendgrid_key", f"SG.{drawn(LETTERS, 22)}.{drawn(LETTERS, 43)}"),
    ("mailgun_key", "key-" + drawn(HEX, 32)),
    ("mailchimp_key", drawn(HEX, 32) + "-us12"),
    ("telegram_token", drawn("123456789", 10) + ":AA" + drawn(LETTERS, 33)),
    ("discord_token", f"M{drawn(LETTERS, 25)}.{drawn(LETTERS, 6)}.{drawn(LETTERS, 38)}"),
    ("jwt", signed()),
    ("shopify_token", "shpat_" + drawn(HEX, 32)),
    ("square_token", "sq0atp-" + drawn(LETTERS, 22)),
    ("databricks_token", "dapi" + drawn(HEX, 32)),
    ("grafana_token", "glsa_" + drawn(LETTERS, 32) + "_" + drawn(HEX, 8)),
    ("vault_token", "hvs." + drawn(LETTERS, 90)),
    ("terraform_token", drawn(LETTERS, 14) + ".atlasv1." + drawn(LETTERS, 67)),
    ("docker_token", "dckr_pat_" + drawn(LETTERS, 27)),
    ("atlassian_token", "ATATT3x" + drawn(LETTERS, 180) + "=" + drawn("0123456789ABCDEF", 8)),
    ("notion_token", "ntn_" + drawn(LETTERS, 46)),
    ("linear_key", "lin_api_" + drawn(LETTERS, 40)),
    ("postman_key", f"PMAK-{drawn(HEX, 24)}-{drawn(HEX, 34)}"),
    ("newrelic_key", "NRAK-" + drawn(string.ascii_uppercase + string.digits, 27)),
    ("sentry_token", "sntrys_" + drawn(LETTERS, 120)),
    ("groq_key", "gsk_" + drawn(LETTERS, 52)),
    ("xai_key", "xai-" + drawn(LETTERS, 80)),
    ("replicate_token", "r8_" + drawn(LETTERS, 37)),
    ("age_key", "AGE-SECRET-KEY-1" + drawn("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58)),
    ("private_key", armoured("RSA PRIVATE KEY", 1190)),
    ("private_key", armoured("PRIVATE KEY", 48)),
    ("private_key", armoured("OPENSSH PRIVATE KEY", 400)),
    ("private_key", armoured("PGP PRIVATE KEY BLOCK", 600)),
    ("private_key", armoured("EC PRIVATE KEY", 121).replace("\n", "\\n")),
    ("private_key", armoured("PRIVATE KEY", 48).partition("\n-----END")[0]),
]


@pytest.mark.parametrize(("entity", "value"), TOKENS, ids=lambda value: value[:20])
@pytest.mark.parametrize("frame", ["{}", "use {} for it", 'TOKEN="{}"', "`{}`", "é: {}\nnext"])
def test_tokens_are_found_whole_and_certainly(entity: str, value: str, frame: str) -> None:
    text = frame.replace("{}", value)
    (found,) = find_secrets(text)
    assert text[found.start : found.end] == value
    assert (found.entity, found.certainty) == (entity, "certain")
    assert masked(text, (found,)) == frame.replace("{}", f"[{entity}]")


PASSWORD, KEY, ACCESS = "vR7!kq2Lmx", drawn(HEX, 32), drawn(BASE64, 40)


@pytest.mark.parametrize(
    ("text", "value", "entity"),
    [
        (f"aws_secret_access_key = {ACCESS}", ACCESS, "aws_secret_key"),
        (f"https://hooks.slack.com/services/T0AB12CD3/B0AB12CD3/{KEY}", KEY, "slack_webhook"),
        (f"AccountName=a;AccountKey={ACCESS}{ACCESS}{ACCESS[:6]}==;", "==", "azure_storage_key"),
        (f"Endpoint=x;SharedAccessKey={ACCESS}abc=", "abc=", "azure_access_key"),
        (f"?sv=2022-11-02&sp=rl&sig={KEY}{KEY[:8]}%2Bk%3D", "%3D", "azure_sas"),
        (f"?sig={KEY}{KEY[:8]}%2Bk%3D&se=2026-01-01", "%3D", "azure_sas"),
        (f"discord.com/api/webhooks/123456789012345678/{KEY}{KEY}", KEY, "discord_webhook"),
        (f"postgres://svc:{PASSWORD}@db.acme.com/crm", PASSWORD, "url_password"),
        (f"redis://:{PASSWORD}@cache:6379", PASSWORD, "url_password"),
        (f"https://deploy:{PASSWORD}@git.acme.com/x.git", PASSWORD, "url_password"),
        (f"Server=db;User Id=svc;Password={PASSWORD};", PASSWORD, "connection_password"),
        (f"Authorization: Bearer {KEY}", KEY, "authorization"),
        (f"curl -H 'Authorization: Basic {ACCESS[:24]}=='", ACCESS[:24], "authorization"),
        (f'api_key: "{KEY}"', KEY, "key"),
        (f"const clientSecret = '{ACCESS}';", ACCESS, "key"),
        (f'config["api-key"] = "{KEY}"', KEY, "key"),
        (f"export STORAGE_ACCESS_KEY={KEY}", KEY, "key"),
        (f"password = {PASSWORD}", PASSWORD, "password"),
        (f'"db_password": "{PASSWORD}"', PASSWORD, "password"),
        (f"<password>{PASSWORD}</password>", PASSWORD, "password"),
        (f"Passwort: {PASSWORD}", PASSWORD, "password"),
        (f"tool --password {PASSWORD} --force", PASSWORD, "password"),
        (f"tool --db-password={PASSWORD}", PASSWORD, "password"),
        (f"curl -s --user deploy:{PASSWORD} https://acme.com", PASSWORD, "password"),
        ("pwd := `tango-71-violet`", "tango-71-violet", "password"),
    ],
)
def test_values_are_found_by_the_word_before(text: str, value: str, entity: str) -> None:
    (found,) = find_secrets(text)
    assert value in text[found.start : found.end]
    assert found.entity == entity
    assert value not in masked(text, (found,))


@pytest.mark.parametrize(
    "text",
    [
        "AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "AKIAXXXXXXXXXXXXXXXX ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx hf_" + "a" * 34,
        "ghp_1234567890abcdefghijklmnopqrstuvwxyz sk-" + "0123456789abcdef" * 3,
        "sk_live_your_key_here sk-ant-api03-... AIzaYourKeyHere",
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\n" + "A" * 64 + "\n-----END RSA PRIVATE KEY-----",
        "ssh-rsa AAAAB3NzaC1yc2E -----BEGIN PUBLIC KEY-----",
        "password = changeme; password: <your-password>, PASSWORD=${DB_PASSWORD} pwd=$PASS",
        'password="P@ssw0rd123!" password: "********" password = "hunter2" pwd = "letmein1!"',
        "api_key = YOUR_API_KEY api_key: xxxxxxxxxxxxxxxxxxxx api_key='0000000000000000'",
        "api_key = os.environ['API_KEY'] token = response.json() secret: {{ vault.secret }}",
        "token = self.tokens.next_token(1) key = [k for k in keys] accessKey: process.env.KEY",
        "PublicKeyToken=b77a5c561934e089 client_secret = 3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "The password is required. password: must be at least 12 characters, one digit (0-9)",
        'click.option("--password", prompt=True) getpass("Password: ") tokens: 4096, n_tokens=8',
        "postgres://user:password@localhost/db amqp://guest:guest@mq http://u:****@h http://u:$P@h",
        "http://host:8080/a@b ftp://me@host ;PWD=*lpszPassword*. ;Password=<pw>; ;pwd={0};",
        "Authorization: Bearer <token> Authorization: Bearer $ACCESS_TOKEN authorization: basic",
        "--password-file /run/secrets/db --password --force -p x",
        "curl -u user:password https://x curl -u $USER:$PASS -o a:b key: x-1 csrf_token=" + KEY,
        "secret name: NEXUS-GPT4-API-KEY token: jjwt-jackson-0.11.2 secret = X25519.secret_length",
        "password = load(key1) passwd='two words 1' pwd: 12345678901",
        "secretary: Alice Jones, tokenizer: bert-base-uncased-whole-word-masking",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709 550e8400-e29b-41d4-a716-446655440000",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx task-force-of-the-year SK1234",
    ],
)
def test_placeholders_examples_and_code_are_left_alone(text: str) -> None:
    assert [text[found.start : found.end] for found in find_secrets(text)] == []


def test_entropy_is_measured_in_bits() -> None:
    assert entropy("aaaa") == 0
    assert entropy("abcd") == 2
    assert entropy("aabb") == 1


PIECES = st.sampled_from(
    [value for _, value in TOKENS[:-6]]
    + [f"password={PASSWORD}", f"key: {KEY}", f"http://u:{PASSWORD}@h", KEY, ACCESS, PASSWORD]
    + ["aws", "secret", "token", "password", "[key]", "[password]", "-----BEGIN PRIVATE KEY-----"]
    + [*" \n=:;,>@[]\"'`-.$<", "é", "\ud800", "Authorization: Bearer ", "://", "--"]
)
HOSTILE = st.lists(PIECES, max_size=12).map("".join) | st.text()


@given(HOSTILE)
def test_masked_text_holds_nothing_to_be_found(text: str) -> None:
    found = find_secrets(text)
    assert all(0 <= one.start < one.end <= len(text) for one in found)
    assert all(a.end <= b.start for a, b in pairwise(found))
    assert find_secrets(masked(text, found)) == ()


def cost(text: str) -> float:
    """Seconds of processor time, the least of two."""
    seconds = []
    for _ in range(2):
        begun = time.process_time()
        find_secrets(text)
        seconds.append(time.process_time() - begun)
    return min(seconds)


HEAVY = [
    'password="',
    "token='a",
    "secret: a\n",
    "aws key ",
    "http://u:",
    "a://b:c@",
    ";pwd=1",
    "sk-",
]
HEAVIER = [
    "-----BEGIN PRIVATE KEY-----",
    "A" * 40,
    "T3BlbkFJ",
    "xoxb-",
    "?sv=a&",
    "ey",
    "api_key=`",
]


@pytest.mark.parametrize(
    "piece", [*HEAVY, *HEAVIER, f"pwd={PASSWORD} ", f"-----BEGIN PRIVATE KEY-----{ACCESS}\n"]
)
def test_time_grows_as_the_text_does(piece: str) -> None:
    find_secrets(piece)
    short, long = (cost(piece * (size // len(piece))) for size in (4_000, 32_000))
    assert long < 24 * short + 0.02  # eight times the text; sixty-four times were it quadratic
