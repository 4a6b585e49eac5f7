"""Text that reads like an instruction to an assistant.

About forty phrasings, matched with RE2 (linear time, whatever the text) on the folded shadow.

Covers the templates that injected instructions commonly use: overriding earlier instructions,
claiming to be the system or its operator, addressing "the AI", demanding secrecy, asking for the
prompt or for data to be sent off, steering the use of tools; in English, the first kind in German,
French, Spanish, Italian, Portuguese, Chinese and Japanese too.
Does not cover an instruction in plain prose ("please pay the attached invoice"): published
measurements find that such rules see none of those. So a finding is a label, never a gate, and its
absence is no clearance.
"""

from functools import cache
from itertools import islice
from typing import Final

from fairlead.guardrails.hygiene import HIDDEN
from fairlead.guardrails.patterns import Patterns, compiled, encodable
from fairlead.guardrails.tokens import PATTERNS

_GAP = r"[\x00-/:-`{-\x7f]{1,4}"
_OLD = (
    r"(?:previous|prior|above|preceding|earlier|foregoing|existing|original|initial|past|former"
    r"|your|the system|system)"
)
_ORDERS = (
    r"(?:instructions?|prompts?|directions?|directives?|commands?|rules?|guidelines?|guidance"
    r"|messages?|orders?|tasks?|training|programming|constraints?|restrictions?)"
)
_ASSISTANT = (
    r"(?:ai|a\.i\.|llm|chatbot|language model|ai model|ai assistant|ai agent|virtual assistant"
    r"|chatgpt|gpt-?[345]|claude|gemini|copilot|llama)"
)
_SECRETS = (
    r"(?:system prompt|hidden prompt|initial prompt|system message|system instructions?"
    r"|secret instructions?|hidden instructions?|api[ _-]?keys?|access tokens?|passwords?"
    r"|credentials?|conversation history|chat history)"
)
_RULES: Final[tuple[tuple[str, str], ...]] = (
    ("override", rf"\b(?:ignor(?:e|ing)|disregard(?:ing)?|forget(?:ting)?|overlook|bypass|override"
                 rf"|discard|neglect){_GAP}(?:\w+{_GAP}){{0,5}}?{_OLD}{_GAP}(?:\w+{_GAP}){{0,3}}?"
                 rf"{_ORDERS}\b"),
    ("override", rf"\b(?:ignore|disregard|forget){_GAP}(?:all|any|every|everything)"
                 rf"{_GAP}(?:of{_GAP}|the{_GAP}|that{_GAP}|you{_GAP}|was{_GAP}|were{_GAP}|i{_GAP}"
                 rf"|said{_GAP}|told{_GAP}|been{_GAP}|have{_GAP}){{0,5}}"
                 rf"(?:above|before|previously|earlier|prior|instructions|rules|guidelines)\b"),
    ("override", rf"\bdo{_GAP}not{_GAP}(?:follow|obey|listen to|comply with|adhere to){_GAP}"
                 rf"(?:\w+{_GAP}){{0,3}}?{_OLD}{_GAP}(?:\w+{_GAP}){{0,2}}?{_ORDERS}\b"),
    ("override", rf"\b(?:new|updated|revised|real|actual|true|important){_GAP}"
                 rf"(?:system{_GAP})?(?:instructions?|directives?|orders?|prompt){_GAP}"
                 rf"(?:for{_GAP}(?:the{_GAP})?(?:you|{_ASSISTANT}|assistant|model|agent)"
                 rf"|supersede|override|replace|take precedence)\b"),
    ("override", rf"\b(?:instructions?|rules?|message|prompt)\b[^.\n]{{0,40}}\b(?:supersedes?"
                 rf"|overrides?|replaces?|takes? (?:precedence|priority) over)\b[^.\n]{{0,20}}"
                 rf"\b{_OLD}\b"),
    ("override", rf"\binstead{_GAP}of{_GAP}(?:answering|following|completing|doing){_GAP}"
                 rf"(?:the{_GAP}|your{_GAP}|this{_GAP})(?:\w+{_GAP})?"
                 rf"(?:question|request|task|instructions?|query)\b"),
    ("override", rf"\b(?:stop|cease|end|abort){_GAP}(?:what you are doing|your current task"
                 rf"|the current task|all previous tasks?)\b"),
    ("override", r"\b(?:ignorier\w*|vergiss|vergessen sie|missachte\w*)\b[^.\n]{0,30}"
                 r"\b(?:anweisung\w*|instruktion\w*|vorgabe\w*|regeln|befehle\w*)\b"),
    ("override", r"\b(?:ignore[zr]?|oublie[zr]?|ne tiens? pas compte|ne tenez pas compte)\b"
                 r"[^.\n]{0,30}\b(?:instructions?|consignes?|directives?|regles?)\b"
                 r"[^.\n]{0,12}\b(?:precedentes?|anterieures?|ci-dessus|initiales?)\b"),
    ("override", r"\b(?:ignor[ae]|olvid[ae]|ignore|esquec[ae]|desconsidere|dimentica)\b"
                 r"[^.\n]{0,25}\b(?:instrucciones|instrucoes|istruzioni|reglas|ordenes|regras"
                 r"|regole)\b"),
    ("override", r"(?:忽略|无视|忽視|忘记|忘記|不要理会)[^\n]{0,12}"
                 r"(?:指令|指示|提示|说明|說明|规则|規則|命令)"),
    # the shadow has no voicing marks: で stands as て
    ("override", r"(?:以前|上記|これまて|前)の[^\n]{0,6}(?:指示|命令|指令)[^\n]{0,6}(?:無視|忘れ)"),
    ("role", rf"\byou{_GAP}are{_GAP}(?:now|no longer|from now on|henceforth){_GAP}"
             rf"(?:\w+{_GAP}){{0,4}}?(?:ai|assistant|model|chatbot|bot|agent|hacker|persona|dan"
             rf"|character|interpreter|terminal|bound|restricted|unrestricted|jailbroken)\b"),
    ("role", rf"\bfrom{_GAP}now{_GAP}on{_GAP}(?:you{_GAP}(?:are|will|must|shall|should|only)"
             rf"|act|behave|respond|answer|reply|speak|write)\b"),
    ("role", rf"\b(?:act|behave|pretend|roleplay|role-play|respond){_GAP}(?:as{_GAP}if|as|like"
             rf"|to{_GAP}be){_GAP}(?:you{_GAP}(?:are|were|have)|an?{_GAP}(?:unrestricted"
             rf"|unfiltered|jailbroken|evil|different|uncensored)|dan)\b"),
    ("role", rf"\b(?:developer|debug|god|admin|jailbreak|dan|sudo|maintenance|unrestricted){_GAP}"
             rf"mode{_GAP}(?:is{_GAP})?(?:now{_GAP})?(?:enabled|activated|engaged|unlocked)\b"),
    ("role", rf"\b(?:enter|enable|activate|switch to|unlock){_GAP}(?:developer|god|jailbreak|dan"
             rf"|sudo|unrestricted|do anything now){_GAP}mode\b"),
    ("role", r"\bdo anything now\b"),
    ("role", rf"\bwithout{_GAP}(?:any{_GAP})?(?:restrictions?|filters?|limitations?|censorship)"
             rf"{_GAP}(?:or{_GAP}\w+{_GAP})?(?:from{_GAP}|imposed{_GAP}by{_GAP})"
             rf"(?:openai|anthropic|google|your|the developers?)\b"),
    ("authority", r"(?:^|\n)[ \t#>*\[(<=-]{0,12}(?:system|developer|admin(?:istrator)?|root)"
                  r"[ _-]?(?:message|prompt|instructions?|override|note|notice|command)"
                  r"[ \t*)\]>=-]{0,6}:"),
    ("authority", r"(?:^|\n)[ \t]{0,4}(?:#{2,4}|\*\*|={3,}|-{3,})[ \t]{0,3}(?:system|instructions?"
                  r"|new instructions?|end of (?:document|context|data|input|prompt))"
                  r"[ \t]{0,3}(?:#{2,4}|\*\*|={3,}|-{3,}|:)[ \t]{0,3}(?:\n|$)"),
    ("authority", r"(?:^|\n)[ \t]{0,4}(?:system|assistant|developer)[ \t]?:[ \t]{0,4}(?:you"
                  r"|your|ignore|new|from|the user|disregard|please|important|always|never)\b"),
    ("authority", rf"\bthis{_GAP}is{_GAP}(?:a{_GAP}|an{_GAP}|the{_GAP})?(?:\w+{_GAP}){{0,2}}?"
                  rf"(?:message|instruction|notice|order|directive){_GAP}from{_GAP}"
                  rf"(?:the{_GAP}|your{_GAP})?(?:system|developers?|administrator|admin|operator"
                  rf"|creators?|openai|anthropic)\b"),
    ("authority", rf"\bi{_GAP}am{_GAP}(?:your|the){_GAP}(?:developer|creator|administrator|admin"
                  rf"|system|operator|programmer|real user|actual user)\b"),
    ("authority", r"</?(?:important|system|information|instructions?|admin|secret|user_query"
                  r"|user_request|critical)>"),
    ("authority", r"\bthis is an important message from me\b"),
    ("addressed", rf"\b(?:attention|note to|notice to|message (?:to|for)|instructions? (?:to|for)"
                  rf"|dear|hey|hello|hi|important){_GAP}(?:the{_GAP}|all{_GAP}|any{_GAP}"
                  rf"|every{_GAP})?(?:{_ASSISTANT}|assistant|language models?|llms|ai systems?"
                  rf"|ai agents?|ai assistants?)\b"),
    ("addressed", rf"\b(?:if{_GAP}you{_GAP}are|as){_GAP}(?:an?{_GAP})(?:large{_GAP})?{_ASSISTANT}"
                  rf"\b[^.\n]{{0,40}}\b(?:you{_GAP}(?:must|should|will|have to|need to)|please"
                  rf"|ignore|do not|say|include|reply|respond|output|write)\b"),
    ("addressed", rf"\b(?:ai|llm|language){_GAP}(?:models?|assistants?|agents?|systems?|readers?)"
                  rf"{_GAP}(?:reading|processing|summari[sz]ing|parsing|that read|who read|must"
                  rf"|should always|are required|are instructed|are ordered)\b"),
    ("addressed", rf"\bbefore{_GAP}(?:you{_GAP})?(?:can{_GAP})?(?:solv(?:e|ing)|answer(?:ing)?"
                  rf"|respond(?:ing)?|complet(?:e|ing)){_GAP}(?:the{_GAP}|this{_GAP}|your{_GAP}"
                  rf"|to{_GAP}the{_GAP})(?:\w+{_GAP})?(?:task|question|request|query)\b"
                  rf"[^\n]{{0,60}}\b(?:you{_GAP}must|you{_GAP}should|please|do{_GAP}the|first)\b"),
    ("secrecy", rf"\b(?:do not|don'?t|never|without){_GAP}(?:tell(?:ing)?|inform(?:ing)?"
                rf"|mention(?:ing)?|reveal(?:ing)?|disclos(?:e|ing)|alert(?:ing)?|notify(?:ing)?)"
                rf"{_GAP}(?:(?:this|it|anything|that){_GAP})?(?:to{_GAP})?the{_GAP}user\b"),
    ("secrecy", rf"\b(?:do not|don'?t|never){_GAP}(?:mention|reveal|disclose|acknowledge|repeat)"
                rf"{_GAP}(?:this|these|the above){_GAP}(?:instructions?|message|prompt|note|text)"
                rf"\b"),
    ("secrecy", rf"\bthe{_GAP}user{_GAP}(?:must not|should not|cannot|does not need to"
                rf"|doesn'?t need to){_GAP}(?:know|see|learn|be told|be informed)\b"),
    ("extraction", rf"\b(?:reveal|print|repeat|output|display|show|disclose|leak|give me|tell me"
                   rf"|send|share|dump|expose){_GAP}(?:\w+{_GAP}){{0,3}}?(?:your|the assistant'?s"
                   rf"|the model'?s|the user'?s|all|any){_GAP}(?:\w+{_GAP}){{0,2}}?{_SECRETS}\b"),
    ("extraction", rf"\b(?:repeat|print|output|write|say){_GAP}(?:everything|all(?: of)?(?: the)?"
                   rf"(?: text| words)?|the text|the words){_GAP}(?:above|before this)\b"),
    ("extraction", rf"\b(?:send|forward|post|upload|e-?mail|transmit|exfiltrate|leak|append)\b"
                   rf"[^.\n]{{0,40}}\b(?:{_SECRETS}|user'?s? data|private data|confidential data"
                   rf"|all (?:files|emails|messages|documents))\b[^\n]{{0,40}}"
                   rf"\b(?:to|at|via){_GAP}\S*[@/.]"),
    ("extraction", r"!\[[^\]\n]{0,80}\]\(https?://[^)\s]{1,200}[?&][^)\s=]{1,40}="
                   r"(?:\{|\[|<|%7b|\$)"),
    ("tool", rf"\b(?:call|invoke|use|run|execute|trigger){_GAP}(?:the{_GAP}|your{_GAP})"
             rf"(?:[\w.-]{{1,40}}{_GAP}){{1,3}}?(?:tool|function|plugin|api){_GAP}(?:with|to|and"
             rf"|now|immediately|using)\b[^\n]{{0,80}}\b(?:send|delete|transfer|pay|e-?mail"
             rf"|forward|purchase|refund|approve|https?)\b"),
    ("tool", r"[\"'](?:tool_calls?|function_call)[\"']\s{0,4}:\s{0,4}[\[{]"),
    ("output", rf"\b(?:respond|reply|answer|output|say|write|return){_GAP}(?:with{_GAP})?"
               rf"(?:only|exactly|just|nothing but|the following|the exact){_GAP}(?:with{_GAP})?"
               rf"(?:the{_GAP})?(?:exact{_GAP})?(?:words?|phrase|text|sentence|string)\b"
               rf"[^\n]{{0,12}}[:\"'`]"),
    ("output", rf"\byour{_GAP}(?:new|real|actual|true|only|next){_GAP}(?:task|goal|objective"
               rf"|purpose|mission|job|instructions?){_GAP}(?:is|are|will)\b"),
    ("output", rf"\byou{_GAP}(?:must|have to|are required to|are instructed to){_GAP}(?:now{_GAP}"
               rf"|always{_GAP}|immediately{_GAP})?(?:recommend|endorse|tell|say|claim|state"
               rf"|include|convince|direct){_GAP}(?:\w+{_GAP}){{0,4}}?(?:the user|users|in your"
               rf"|every (?:answer|response|reply)|this link|the following)\b"),
)  # fmt: skip


class Scanner:
    """All rules in one automaton, and each alone for saying where it matched."""

    def __init__(self) -> None:
        self._patterns = Patterns((*(rule for _, rule in _RULES), *PATTERNS, HIDDEN))
        self._hidden = compiled(HIDDEN)

    def rules(self, shadow: str) -> list[int]:
        """Which rules match; a number beyond the rules stands for tokens or hidden characters."""
        return self._patterns.present(encodable(shadow))

    def hides(self, text: str) -> bool:
        """Whether a character of `text` may have to go."""
        return self._hidden.search(text.encode("utf-8", "replace")) is not None

    def spans(self, rule: int, shadow: str, limit: int) -> list[tuple[int, int]]:
        """Where rule number `rule` matches, at most `limit` times; maybe nowhere."""
        return list(islice(self._patterns.spans(rule, encodable(shadow)), limit))


COUNT: Final = len(_RULES)
"""Rules; what `Scanner.rules` returns at or above it is no instruction."""


def named(rule: int) -> str:
    """What kind of instruction rule number `rule` looks for."""
    return _RULES[rule][0]


@cache
def scanner() -> Scanner:
    """The one scanner of the process, built when first asked for."""
    return Scanner()
