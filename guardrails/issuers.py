"""The forms of tokens that services issue: what each is called, a sign of it, and its pattern.

The sign is a short piece that every match contains: looking for all signs at once is cheap. The
pattern's group is the secret. Formats are facts that the issuers publish; a token that is no more
than so many letters and digits is left to the word before it (`credentials`).
"""

from typing import Final

_W: Final = r"[A-Za-z0-9_\-]"
_END: Final = r"(?:[^A-Za-z0-9_\-]|$)"

TOKENS: Final[tuple[tuple[str, str, str], ...]] = (
    ("aws_access_key", r"A(?:KIA|SIA|BIA|CCA)[A-Z2-7]",
     r"\b(A(?:KIA|SIA|BIA|CCA)[A-Z2-7]{16})\b"),
    ("aws_secret_key", r"(?i)aws",
     r"(?i)aws.{0,20}(?:secret|key)[^\]\n]{0,20}[:=>, ][\"' ]{0,3}([a-z0-9/+]{40})"
     r"(?:[^a-z0-9/+=]|$)"),
    ("aws_bedrock_key", r"\bABSK", r"\b(ABSK[A-Za-z0-9+/]{100,}={0,2})"),
    ("github_token", r"gh[pousr]_", r"\b(gh[pousr]_[A-Za-z0-9]{36,})\b"),
    ("github_token", r"github_pat_", r"\b(github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59})\b"),
    ("gitlab_token", r"\bgl[a-z]{2,5}-",
     rf"\b(gl(?:pat|dt|rt|ptt|soat|cbt|agent|imt|ft|ffct|oas)-{_W}{{20,}})"),
    ("slack_token", r"xox[abeoprs]", r"\b(xox[abeoprs](?:\.xox[bp])?-[A-Za-z0-9\-]{20,})"),
    ("slack_token", r"xapp-", r"\b(xapp-[0-9]-[A-Z0-9]{8,}-[0-9]{8,}-[a-f0-9]{32,})"),
    ("slack_webhook", r"hooks\.slack\.com",
     r"hooks\.slack\.com/(?:services|workflows|triggers)/([A-Z0-9]{8,}/[A-Za-z0-9/]{20,})"),
    ("google_api_key", r"AIza", rf"\b(AIza{_W}{{35}}){_END}"),
    ("google_oauth_secret", r"GOCSPX-", rf"\b(GOCSPX-{_W}{{28}}){_END}"),
    ("google_oauth_token", r"\bya29\.", rf"\b(ya29\.{_W}{{30,}})"),
    ("google_oauth_token", r"\b1//0", rf"\b(1//0{_W}{{38,}})"),
    ("stripe_key", r"[rs]k_(?:live|test|prod)_",
     r"\b([rs]k_(?:live|test|prod)_[A-Za-z0-9]{16,})\b"),
    ("stripe_key", r"whsec_", r"\b(whsec_[A-Za-z0-9+/]{32,}={0,2})"),
    ("anthropic_key", r"sk-ant-", rf"\b(sk-ant-[a-z]{{3,5}}[0-9]{{2}}-{_W}{{80,}})"),
    ("openai_key", r"T3BlbkFJ", rf"\b(sk-{_W}{{16,}}T3BlbkFJ{_W}{{16,}})"),
    ("openai_key", r"\bsk-[A-Za-z0-9]{2}", r"\b(sk-[A-Za-z0-9]{48})\b"),
    ("huggingface_token", r"\b(?:hf|api_org)_", r"\b((?:hf|api_org)_[A-Za-z0-9]{34})\b"),
    ("npm_token", r"\bnpm_", r"\b(npm_[A-Za-z0-9]{36})\b"),
    ("pypi_token", r"pypi-AgE", rf"\b(pypi-AgE{_W}{{70,}})"),
    ("azure_storage_key", r"(?i)accountkey=", r"(?i)\bAccountKey=([a-z0-9+/]{86}==)"),
    ("azure_access_key", r"(?i)accesskey=", r"(?i)\bSharedAccessKey=([a-z0-9+/]{43}=)"),
    ("azure_sas", r"\bs(?:v|ig)=[0-9A-Za-z]",
     r"(?i)[?&;\"']s[verpt]=[^\s\"'<>]{1,300}&(?:amp;)?sig=([a-z0-9%+/]{40,}(?:%3d|=){1,2})"),
    ("azure_sas", r"\bsig=[0-9A-Za-z]",
     r"(?i)[?&]sig=([a-z0-9%+/]{40,}(?:%3d|=){1,2})&[^\s\"'<>]{0,300}\bs[verpt]="),
    ("azure_client_secret", r"[0-9]Q~",
     r"(?:^|[^A-Za-z0-9_~.\-])([A-Za-z0-9_~.]{3}[0-9]Q~[A-Za-z0-9_~.\-]{31,34})(?:[^A-Za-z0-9_~.\-]|$)"),
    ("digitalocean_token", r"\bdo[opr]_v1_", r"\b(do[opr]_v1_[a-f0-9]{64})\b"),
    ("twilio_key", r"\bSK[0-9a-f]{3}", r"\b(SK[0-9a-f]{32})\b"),
    ("sendgrid_key", r"\bSG\.", rf"\b(SG\.{_W}{{22}}\.{_W}{{43}}){_END}"),
    ("mailgun_key", r"\bkey-[0-9a-f]{3}", r"\b(key-[0-9a-f]{32})\b"),
    ("mailchimp_key", r"[0-9a-f]-us[0-9]", r"\b([0-9a-f]{32}-us[0-9]{1,2})\b"),
    ("telegram_token", r"[0-9]:AA", rf"\b([0-9]{{8,10}}:AA{_W}{{33}}){_END}"),
    ("discord_token", rf"\b[MNO]{_W}*\.{_W}{{6}}\.{_W}",
     rf"\b([MNO]{_W}{{23,27}}\.{_W}{{6}}\.{_W}{{27,38}}){_END}"),
    ("discord_webhook", r"api/webhooks/",
     rf"discord(?:app)?\.com/api/webhooks/([0-9]{{17,20}}/{_W}{{60,}})"),
    ("jwt", r"\bey[JK]", rf"\b(ey[JK]{_W}{{10,}}\.ey[JK]{_W}{{10,}}\.{_W}{{20,}})"),
    ("shopify_token", r"\bshp[a-z]{2,3}_", r"\b(shp(?:at|ca|pa|ss|tka)_[a-fA-F0-9]{32})\b"),
    ("square_token", r"\bsq0[ac]", rf"\b(sq0(?:atp|csp)-{_W}{{22,43}}){_END}"),
    ("databricks_token", r"\bdapi[0-9a-f]", r"\b(dapi[a-f0-9]{32}(?:-[0-9])?)\b"),
    ("grafana_token", r"\bgl(?:sa|c)_", r"\b(gl(?:sa|c)_[A-Za-z0-9+/_]{32,}={0,2})"),
    ("vault_token", r"\bhv[sbr]\.", rf"\b(hv[sbr]\.{_W}{{24,}})"),
    ("terraform_token", r"\.atlasv1\.", rf"\b([A-Za-z0-9]{{14}}\.atlasv1\.{_W}{{60,70}}){_END}"),
    ("docker_token", r"\bdckr_", rf"\b(dckr_[po]at_{_W}{{27,32}}){_END}"),
    ("atlassian_token", r"\bAT[AC]TT", rf"\b(AT[AC]TT3x{_W}{{100,}}(?:=[A-F0-9]{{8}})?)"),
    ("notion_token", r"\b(?:ntn|secret)_", r"\b((?:ntn|secret)_[A-Za-z0-9]{43,50})\b"),
    ("linear_key", r"\blin_", r"\b(lin_(?:api|oauth)_[A-Za-z0-9]{40,64})\b"),
    ("postman_key", r"\bPMAK-", r"\b(PMAK-[a-f0-9]{24}-[a-f0-9]{34})\b"),
    ("newrelic_key", r"\bNRAK-", r"\b(NRAK-[A-Z0-9]{27})\b"),
    ("sentry_token", r"\bsntry[su]_", r"\b(sntry[su]_[A-Za-z0-9+/=_]{60,})"),
    ("groq_key", r"\bgsk_", r"\b(gsk_[A-Za-z0-9]{52})\b"),
    ("xai_key", r"\bxai-", r"\b(xai-[A-Za-z0-9]{80})\b"),
    ("replicate_token", r"\br8_", r"\b(r8_[A-Za-z0-9]{37})\b"),
    ("age_key", r"AGE-SECRET-KEY-1", r"\b(AGE-SECRET-KEY-1[A-Z0-9]{58})\b"),
)  # fmt: skip
