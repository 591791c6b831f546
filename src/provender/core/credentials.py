"""Shapes of credentials: what nobody may write into a catalog, nor find in a log of ours.

A shape is what its issuer made it so that it is found: a prefix and a length. Where there is
none, the words before a value say what it is (``password=…``), and the value looks made up.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

HIDDEN = "[hidden]"
MADE_UP = r"(?=[^\s\"'\\]{0,200}\d)(?=[^\s\"'\\]{0,200}[A-Za-z])[^\s\"'\\,;&<>{}$]{8,}"
"""A value with letters and digits; not a word, a reference ``${…}`` or ``<placeholder>``."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a credential is called, the words without which there is none, and what it looks like."""

    name: str
    needles: tuple[str, ...]
    words: str
    any_case: bool = False

    @property
    def looks(self) -> re.Pattern[str]:
        """The pattern: made when it is needed first, which most are never."""
        return re.compile(self.words, re.IGNORECASE if self.any_case else 0)


def _shape(name: str, needles: str, looks: str, *, any_case: bool = False) -> Shape:
    return Shape(name, tuple(needles.split("|")), looks, any_case)


SHAPES = (
    _shape("API token of Provender", "pvd_", r"pvd_[\w-]{43}"),
    _shape("JSON web token", "eyJ", r"\beyJ[\w-]{8,4000}\.eyJ[\w-]{8,4000}\.[\w-]*"),
    _shape(
        "private key",
        "PRIVATE KEY",
        r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----",
    ),
    _shape("PuTTY key", "PuTTY-User", r"PuTTY-User-Key-File-\d"),
    _shape("age key", "AGE-SECRET", r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    _shape(
        "password in an address",
        "://",
        r"[a-z][a-z0-9+.-]{1,30}://[^\s/:@\"'\\]{0,200}:(?!\$\{)[^\s/@\"'\\]{3,200}@",
        any_case=True,
    ),
    _shape(
        "signature of an address",
        "signature=|sig=",
        r"[?&](?:X-Amz-Signature|X-Goog-Signature|sig|Signature)=[\w%+/-]{16,}",
        any_case=True,
    ),
    _shape("AWS key", "AKIA|ASIA|ABIA|ACCA", r"\b(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}\b"),
    _shape("Google key", "AIza", r"\bAIza[\w-]{35}"),
    _shape("Google token", "ya29.", r"\bya29\.[\w-]{20,}"),
    _shape("Google secret", "GOCSPX", r"\bGOCSPX-[\w-]{20,}"),
    _shape(
        "GitHub token",
        "ghp_|gho_|ghu_|ghs_|ghr_|github_pat_",
        r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{22,})",
    ),
    _shape(
        "GitLab token",
        "glpat-|glptt-|gldt-|glrt-|glcbt-|glsoat-|glft-|glagent-|gloas-",
        r"\bgl(?:pat|ptt|dt|rt|cbt|soat|ft|agent|oas)-[\w-]{20,}",
    ),
    _shape("Slack token", "xox|xapp-", r"\bxox[abeoprs]-[\w-]{10,}|\bxapp-\d-[\w-]{10,}"),
    _shape(
        "Slack webhook", "hooks.slack.com", r"hooks\.slack\.com/(?:services|workflows)/[\w/]{20,}"
    ),
    _shape(
        "Discord webhook", "/api/webhooks/", r"discord(?:app)?\.com/api/webhooks/\d{15,}/[\w-]{30,}"
    ),
    _shape("Teams webhook", "webhookb2", r"webhook\.office\.com/webhookb2/[\w@-]{30,}"),
    _shape(
        "Stripe key",
        "_live_|_test_|whsec_",
        r"\b(?:sk|rk|pk)_(?:live|test)_\w{16,}|\bwhsec_\w{24,}",
    ),
    _shape("OpenAI or Anthropic key", "sk-", r"\bsk-(?:ant-|proj-|svcacct-)?[\w-]{20,}"),
    _shape("Hugging Face token", "hf_|api_org_", r"\bhf_[A-Za-z]{30,}|\bapi_org_[A-Za-z]{30,}"),
    _shape("npm token", "npm_", r"\bnpm_[A-Za-z0-9]{36}"),
    _shape("package index token", "pypi-AgE", r"\bpypi-AgE[\w-]{40,}"),
    _shape("RubyGems key", "rubygems_", r"\brubygems_[0-9a-f]{48}"),
    _shape("crates token", "cio", r"\bcio[A-Za-z0-9]{32}\b"),
    _shape("Docker token", "dckr_", r"\bdckr_(?:pat|oat)_[\w-]{20,}"),
    _shape("SendGrid key", "SG.", r"\bSG\.[\w-]{20,}\.[\w-]{20,}"),
    _shape("Mailgun key", "key-", r"\bkey-[0-9a-f]{32}\b"),
    _shape("Mailchimp key", "-us", r"\b[0-9a-f]{32}-us\d{1,2}\b"),
    _shape("Twilio key", "SK|AC", r"\b(?:SK|AC)[0-9a-f]{32}\b"),
    _shape("Telegram token", ":AA", r"\b\d{8,10}:AA[\w-]{32,}"),
    _shape("Shopify token", "shpat_|shpca_|shppa_|shpss_", r"\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    _shape("Square token", "sq0|EAAA", r"\bsq0(?:atp|csp|idp)-[\w-]{22,}|\bEAAA[\w-]{60}"),
    _shape("DigitalOcean token", "_v1_", r"\bdo[opr]_v1_[0-9a-f]{64}"),
    _shape("Databricks token", "dapi", r"\bdapi[0-9a-f]{32}"),
    _shape("Vault token", "hvs.|hvb.|hvr.", r"\bhv[bsr]\.[\w-]{24,}"),
    _shape("Terraform token", ".atlasv1.", r"\b[A-Za-z0-9]{14}\.atlasv1\.[\w-]{60,}"),
    _shape("Grafana token", "glsa_|glc_", r"\bgl(?:sa|c)_[\w+/=-]{32,}"),
    _shape("New Relic key", "NRAK-|NRJS-|NRII-|NRAL-", r"\bNR(?:AK|JS|II|AL)-[\w-]{19,}"),
    _shape("Sentry token", "sntrys_|sntryu_", r"\bsntrys_[\w+/=-]{40,}|\bsntryu_[0-9a-f]{64}"),
    _shape("PostHog key", "phc_|phx_", r"\bph[cx]_[A-Za-z0-9]{40,}"),
    _shape("Linear key", "lin_api_|lin_oauth_", r"\blin_(?:api|oauth)_[A-Za-z0-9]{32,}"),
    _shape("Notion token", "secret_|ntn_", r"\b(?:secret|ntn)_[A-Za-z0-9]{40,}"),
    _shape("Airtable token", "pat", r"\bpat[A-Za-z0-9]{14}\.[0-9a-f]{64}"),
    _shape("Atlassian token", "ATATT3|ATBB", r"\bATATT3[\w=-]{50,}|\bATBB[A-Za-z0-9]{28,}"),
    _shape("Figma token", "figd_|figo_|figu_|figr_", r"\bfig[dour]_[\w-]{30,}"),
    _shape("Postman key", "PMAK-", r"\bPMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    _shape("Doppler token", "dp.", r"\bdp\.(?:pt|st|ct|sa|scim|audit)\.[\w.-]{30,}"),
    _shape("Fly token", "fo1_|FlyV1", r"\bfo1_[\w-]{40,}|\bFlyV1 fm\d_[\w+/=,-]{40,}"),
    _shape("PlanetScale token", "pscale_", r"\bpscale_(?:tkn|pw|oauth)_[\w.-]{30,}"),
    _shape("Supabase key", "sbp_|sbs_", r"\bsb[ps]_[A-Za-z0-9_]{30,}"),
    _shape("Alibaba key", "LTAI", r"\bLTAI[A-Za-z0-9]{12,}"),
    _shape(
        "Azure key",
        "AccountKey=|SharedAccessKey=",
        r"\b(?:AccountKey|SharedAccessKey)=[A-Za-z0-9+/]{40,}={0,2}",
    ),
    _shape("Azure secret", "8Q~", r"\b[A-Za-z0-9_~.-]{3}8Q~[A-Za-z0-9_~.-]{31,34}"),
    _shape(
        "authorization",
        "bearer|basic",
        r"\b(?:bearer|basic)[ +](?=[^\s\"']{0,200}\d)[A-Za-z0-9._~+/-]{16,}=*",
        any_case=True,
    ),
    _shape(
        "password or key",
        "pass|pwd|secret|key|token",
        r"(?:\b|_|PG)(?:pass(?:word|wd|phrase)?|pwd|secret|api[_-]?key|access[_-]?key|"
        r"secret[_-]?(?:access[_-]?)?key|client[_-]?secret|private[_-]?key|"
        r"(?:auth|access|refresh)[_-]?token|sas[_-]?token)"
        r"\\{0,7}[\"']?\s{0,3}(?:=>|:=|[=:])\s{0,3}\\{0,7}[\"']?" + MADE_UP,
        any_case=True,
    ),
)


def found(text: str) -> str:
    """Return what a credential in ``text`` is called; empty if there is none."""
    return next((shape.name for shape, _ in _matches(text)), "")


def redacted(text: str) -> str:
    """Return ``text`` without what has the shape of a credential."""
    for shape, _ in list(_matches(text)):
        text = shape.looks.sub(HIDDEN, text)
    return text


def _matches(text: str) -> Iterator[tuple[Shape, re.Match[str]]]:
    """The first match of each shape; a text without its words is not looked through."""
    lower = text.lower()
    for shape in SHAPES:
        looked = lower if shape.any_case else text
        if any(needle in looked for needle in shape.needles):
            match = shape.looks.search(text)
            if match is not None:
                yield shape, match
