"""Credentials are found by their shapes, and nothing else is."""

import time

import pytest

from provender.core.credentials import HIDDEN, SHAPES, found, redacted

X, H, U = "aB3" * 30, "0a1b2c3d" * 12, "A1B2C3D4" * 12
JWT = f"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbmEifQ.{X[:40]}"
CREDENTIALS = [
    f"pvd_{X[:43]}", JWT, "-----BEGIN PRIVATE KEY-----", "-----BEGIN RSA PRIVATE KEY-----",
    "-----BEGIN OPENSSH PRIVATE KEY-----", "-----BEGIN PGP PRIVATE KEY BLOCK-----", "PuTTY-User-Key-File-3",
    f"AGE-SECRET-KEY-1{U[:58]}", "postgresql://ana:hunter2@db.example/x", "https://user:p4ss@example.org/a",
    "redis://:s3cret@cache:6379/0", "amqps://u:pw1@mq", "s3://key:s3cr3t@bucket/x",
    f"https://b.s3.amazonaws.com/x?X-Amz-Signature={H[:64]}", f"https://a.blob.core.windows.net/c?sv=1&sig={X[:40]}%3D",
    f"AKIA{U[:16]}", f"ASIA{U[:16]}", f"AIza{X[:35]}", f"ya29.{X[:40]}", f"GOCSPX-{X[:28]}",
    f"ghp_{X[:36]}", f"gho_{X[:36]}", f"ghs_{X[:36]}", f"ghu_{X[:36]}", f"ghr_{X[:36]}", f"github_pat_{X[:40]}",
    f"glpat-{X[:20]}", f"gldt-{X[:20]}", f"glrt-{X[:20]}", f"xoxb-{X[:30]}", f"xoxp-{X[:30]}", f"xapp-1-{X[:30]}",
    f"https://hooks.slack.com/services/T00/B00/{X[:24]}", f"https://discord.com/api/webhooks/{'1' * 18}/{X[:60]}",
    f"https://x.webhook.office.com/webhookb2/{H[:40]}", f"sk_live_{X[:24]}", f"rk_test_{X[:24]}", f"whsec_{X[:32]}",
    f"sk-{X[:48]}", f"sk-ant-api03-{X[:60]}", f"sk-proj-{X[:48]}", f"hf_{'aB' * 17}", f"npm_{X[:36]}",
    f"pypi-AgEIcHlwaS5vcmc{X[:60]}", f"rubygems_{H[:48]}", f"cio{X[:32]}", f"dckr_pat_{X[:27]}",
    f"SG.{X[:22]}.{X[:43]}", f"key-{H[:32]}", f"{H[:32]}-us12", f"SK{H[:32]}", f"AC{H[:32]}",
    f"123456789:AA{X[:33]}", f"shpat_{H[:32]}", f"sq0atp-{X[:22]}", f"dop_v1_{H[:64]}", f"dapi{H[:32]}",
    f"hvs.{X[:24]}", f"{X[:14]}.atlasv1.{X[:67]}", f"glsa_{X[:32]}_0a1b2c3d", f"NRAK-{U[:27]}", f"sntryu_{H[:64]}",
    f"phc_{X[:43]}", f"lin_api_{X[:40]}", f"secret_{X[:43]}", f"ntn_{X[:43]}", f"pat{X[:14]}.{H[:64]}",
    f"ATATT3{X[:80]}", f"figd_{X[:40]}", f"PMAK-{H[:24]}-{H[:34]}", f"dp.pt.{X[:43]}", f"fo1_{X[:43]}",
    f"pscale_tkn_{X[:43]}", f"sbp_{H[:40]}", f"LTAI{X[:20]}", f"AccountKey={X[:86]}==", f"aB38Q~{X[:34]}",
    f"Authorization: Bearer {X[:32]}", f"Authorization: Basic {X[:32]}=", "password=hunter22", "PGPASSWORD: 'x9x9x9x9'",
    '{"client_secret": "abc123def456"}', f"aws_secret_access_key = {X[:40]}", "api-key: 0123abcd4567", "passwd:Tr0ub4dor3",
    '{\\"password\\":\\"hunter22\\"}',
]  # fmt: skip
HARMLESS = [
    "The password is hashed before it comes here.", "token: identifier of a device", "secret santa, 2019 and 2020",
    "Passwords: none. Tokens: 12 a day.", "sha256:" + H[:64], "https://example.org/a?q=1&sigma=2",
    "s3://bucket/key/a1b2c3d4e5f6", "postgresql://ana@db.example/x", "postgresql://ana:${PGPASSWORD}@db/x",
    "mailto:ana@example.org", "https://example.org:8443/@ana", "Basic economy, basic 1st class", "skip_live_testing",
    "the pat on the back", "password=${DB_PASSWORD}", "password: <your password>", "urn:provender:dataset:0a1b2c3d",
    "aviation.flights@12", "key-value stores", "2026-03-01T12:00:00Z", "cio of the company", '{"token":"t1"}',
    '{"secret":"","token":""}', "tokens begin with pvd_", "the bearer of this letter", "sk-learn 1.8 pipelines",
    "task-oriented-dialogue-systems-2024-final", "AC Milan", "acaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1",
]  # fmt: skip


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_a_credential_is_found_and_taken_out_wherever_it_stands(credential: str) -> None:
    for text in (
        credential,
        f"see {credential} there",
        f'{{"x":"{credential}"}}',
        f"a\n{credential}\n",
    ):
        assert found(text), text
        left = redacted(text)
        assert HIDDEN in left
        assert found(left) == "", left


@pytest.mark.parametrize("text", HARMLESS)
def test_what_people_write_is_no_credential(text: str) -> None:
    assert found(text) == ""
    assert redacted(text) == text


def test_there_are_enough_shapes_and_each_is_met() -> None:
    assert len(CREDENTIALS) >= 60
    met = {found(credential) for credential in CREDENTIALS}
    assert {shape.name for shape in SHAPES} - met == set()


def test_long_texts_take_little_time() -> None:
    worst = [
        "password" * 20_000,
        "://" + "a" * 100_000,
        "eyJ" * 50_000,
        "a" * 200_000,
        "key=" * 50_000,
    ]
    for text in worst:
        started = time.perf_counter()
        found(text)
        assert time.perf_counter() - started < 5
