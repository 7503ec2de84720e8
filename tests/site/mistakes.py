"""Mistakes that a build must find in the documentation, each with its message."""

from typing import NamedTuple


class Mistake(NamedTuple):
    """Replaces `right` by `wrong` in `file`; the build must fail with `message`, a pattern in which
    `{line}` is the line of `right`."""

    file: str
    right: str
    wrong: str
    message: str


MISTAKES = {
    "javascript in a doc": Mistake(
        "docs/how-to/csp.md",
        'const start = () => window.tracker.track("page-view");',
        'const start = () => window.tracker.track("page-view";',
        r"csp\.md:{line}: this example does not parse.*Fix it, or label it `text`",
    ),
    "html in a doc": Mistake(
        "docs/index.md",
        '{"product": "Sun glasses - Badoo", "price": 13.45});',
        '{"product": "Sun glasses - Badoo", "price": 13.45);',
        r"index\.md:{line}: this example does not parse",
    ),
    "JSON in a doc": Mistake(
        "docs/reference/http.md",
        '"ux": [],',
        '"ux": [,',
        r"http\.md:{line}: this example does not parse",
    ),
    "TOML in a doc": Mistake(
        "docs/reference/settings.md",
        "workers = 2",
        "workers = two",
        r"settings\.md:{line}: this example does not parse",
    ),
    "Python in a doc": Mistake(
        "docs/how-to/server-side.md",
        "    except OSError as error:",
        "    except OSError as error",
        r"server-side\.md:{line}: this example",
    ),
    "a script in a test page": Mistake(
        "pages/basic.html",
        'window.tracker.track("page-view", {});',
        'window.tracker.track("page-view", {);',
        r"basic\.html:{line}: this script does not parse",
    ),
    "a code block that is not closed": Mistake(
        "docs/reference/settings.md",
        "workers = 2\n```",
        "workers = 2\n",
        (
            r"settings\.md:\d+: this code block is never closed\. Close it with a line of "
            r"```"
        ),
    ),
    "an unknown snippet": Mistake(
        "docs/how-to/csp.md",
        "```snippet one-line\n",
        "```snippet two-line\n",
        r"csp\.md:{line}: unknown snippet 'snippet two-line'\. Use one of: snippet",
    ),
    "an unknown language": Mistake(
        "docs/how-to/csp.md",
        "```bash\n",
        "```bahs\n",
        r"csp\.md:{line}: unknown language 'bahs'",
    ),
    "an unknown option of code": Mistake(
        "docs/how-to/spa.md",
        "```js stores=",
        "```js store=",
        r"spa\.md:{line}: unknown code option 'store'\. Did you mean 'stores'\?",
    ),
    "a link to a missing page": Mistake(
        "docs/tutorial/index.md",
        "(../how-to/access-denied.md)",
        "(../how-to/acces-denied.md)",
        (
            r"index\.md:{line}: the link target \.\./how-to/acces-denied\.md does not "
            r"exist\. Did you mean \.\./how-to/access-denied\.md\?"
        ),
    ),
    "a link to the wrong folder": Mistake(
        "docs/tutorial/index.md",
        "(../how-to/access-denied.md)",
        "(access-denied.md)",
        (
            r"index\.md:{line}: the link target .* Did you mean "
            r"\.\./how-to/access-denied\.md\?"
        ),
    ),
    "a link to a missing heading": Mistake(
        "docs/explanation/privacy.md",
        "backup.md#give-out-and-forget",
        "backup.md#give-out-and-forgt",
        (
            r"privacy\.md:{line}: \.\./how-to/backup\.md has no heading "
            r"#give-out-and-forgt\. Did you mean #give-out-and-forget\?"
        ),
    ),
    "a link in HTML": Mistake(
        "docs/index.md",
        '"tutorial/index.md"',
        '"tutorial/indx.md"',
        r"docs/index\.md:{line}: the link target tutorial/indx\.md does not exist",
    ),
    "a link to a missing file": Mistake(
        "docs/reference/http.md",
        "(../../assets/track.schema.json)",
        "(../../assets/track.scheme.json)",
        (
            r"http\.md:{line}: the link target .*track\.scheme\.json does not exist.* Did "
            r"you mean .*track\.schema\.json\?"
        ),
    ),
    "a link in a test page": Mistake(
        "pages/pass.html",
        "{% block main %}",
        '{% block main %}<a href="pas.html">x</a>',
        r"pass\.html:{line}: the link target pas\.html does not exist",
    ),
    "an undefined link": Mistake(
        "docs/how-to/spa.md",
        "(With the one-line form:",
        "([With][nothing] the one-line form:",
        r"spa\.md:{line}: the link \[With\]\[nothing\] is not defined",
    ),
    "an undefined footnote": Mistake(
        "docs/reference/writing.md",
        "footnotes[^1]",
        "footnotes[^2]",
        r"writing\.md:{line}: the footnote \[\^2\] is not defined",
    ),
    "a block that is not closed": Mistake(
        "docs/how-to/test-pages.md",
        "where real visitors' events are.\n:::",
        "where real visitors' events are.\n",
        r"test-pages\.md:\d+: the block 'danger For test machines' is never closed",
    ),
    "an unknown block": Mistake(
        "docs/how-to/test-pages.md",
        "::: danger",
        "::: dangr",
        r"test-pages\.md:{line}: unknown block 'dangr'\. Did you mean 'danger'\?",
    ),
    "a cell too many": Mistake(
        "docs/how-to/clicks.md",
        "| `onClick` | It, or",
        "| `onClick` | It | or",
        r"clicks\.md:{line}: this row has 3 cells, but its table has 2 columns",
    ),
    "a skipped heading level": Mistake(
        "docs/how-to/spa.md",
        "## In tests",
        "#### In tests",
        (
            r"spa\.md:{line}: heading 'In tests of your application' skips from level 2 "
            r"to 4\. Use ###"
        ),
    ),
    "a second title": Mistake(
        "docs/how-to/spa.md",
        "## In tests",
        "# In tests",
        r"spa\.md:{line}: .* is a second title",
    ),
    "an image without alternative text": Mistake(
        "docs/how-to/spa.md",
        "Call `track` where",
        "![](../../assets/test-page.png) Call `track` where",
        r"spa\.md:{line}: the image .*test-page\.png has no alternative text",
    ),
    "an unknown key": Mistake(
        "docs/how-to/spa.md",
        "order = 21",
        "ordr = 21",
        (
            r"spa\.md:{line}: unknown key 'ordr' in the front matter\. Did you mean "
            r"'order'\?"
        ),
    ),
    "a key of the wrong type": Mistake(
        "docs/how-to/spa.md",
        "order = 21",
        'order = "21"',
        r"spa\.md:{line}: 'order' in the front matter must be an integer",
    ),
    "invalid TOML in front matter": Mistake(
        "docs/how-to/spa.md",
        "order = 21",
        "order = twentyone",
        r"spa\.md:{line}: the front matter is not valid TOML",
    ),
    "no title": Mistake(
        "docs/how-to/spa.md",
        '+++\ntitle = "Track',
        '\n\ntitle = "Track',
        r"spa\.md:1: this page has no title\. Start it with",
    ),
    "not UTF-8": Mistake(
        "docs/how-to/spa.md",
        "(With the",
        "(With \udce9 the",
        r"spa\.md:{line}: this file is not UTF-8",
    ),
    "an unknown template": Mistake(
        "docs/index.md",
        'template = "home.html"',
        'template = "hom.html"',
        r"docs/index\.md:1: unknown template 'hom\.html'",
    ),
    "a taken alias": Mistake(
        "docs/how-to/run.md",
        "docs/operation.html",
        "docs/how-to/spa.html",
        (
            r"run\.md:1: the alias 'docs/how-to/spa\.html' is already the address of "
            r"docs/how-to/spa\.md"
        ),
    ),
    "no front matter in a test page": Mistake(
        "pages/basic.html",
        "+++\ntitle",
        "title",
        r"basic\.html:1: no front matter",
    ),
    "no summary in a test page": Mistake(
        "pages/basic.html",
        "summary = ",
        "sumary = ",
        (
            r"basic\.html:{line}: unknown key 'sumary' in the front matter\. Did you mean "
            r"'summary'\?"
        ),
    ),
    "no expectations": Mistake(
        "pages/basic.html",
        "requests = 1",
        "",
        r"basic\.html:1: the front matter does not say what to expect",
    ),
    "an unknown source": Mistake(
        "pages/basic.html",
        "order = 1",
        'source = "mine"',
        r"basic\.html:1: source must be demo or unknown",
    ),
    "an unknown key of an event": Mistake(
        "pages/basic.html",
        'type = "interest"',
        'typ = "interest"',
        r"basic\.html:1: an \[\[expect\.events\]\]",
    ),
    "an undefined name in a template": Mistake(
        "pages/basic.html",
        "{% block main %}",
        "{% block main %}{{ nope }}",
        r"basic\.html:{line}: 'nope' is undefined",
    ),
    "a guide without a name": Mistake(
        "guides.toml",
        'slug = "hugo"\nname',
        'slug = "hugo"\nnam',
        r"guide\.md:\d+: 'name' is undefined",
    ),
    "a mistake in a guide": Mistake(
        "guides.toml",
        "{issue: 12});",
        "{issue: 12);",
        r"guides\.toml:\d+: this example does not parse",
    ),
    "an unknown key of the site": Mistake(
        "site.toml",
        "edit = ",
        "edti = ",
        r"site\.toml:{line}: .*Did you mean 'edit'\?",
    ),
    "a reason code that is not explained": Mistake(
        "docs/reference/reasons.md",
        "## rate_limited\n",
        "## rate limits\n",
        (
            r"reasons\.md:\d+: the reason code 'rate_limited' "
            r"\(collector/errors\.py:\d+\) is not explained here\. Explain it below"
        ),
    ),
    "an option that is not explained": Mistake(
        "docs/reference/options.md",
        "```generated options\n```",
        "",
        (
            r"options\.md:\d+: the option 'settings\.consent' \(js/src/types\.ts:\d+\) is "
            r"not explained"
        ),
    ),
    "a command that is not explained": Mistake(
        "docs/reference/cli.md",
        "```generated commands\n```",
        "",
        (
            r"cli\.md:\d+: the command 'thamesthrive source add' "
            r"\(cli/commands/source\.py:\d+\) is not explained"
        ),
    ),
    "a setting that is not explained": Mistake(
        "docs/reference/settings.md",
        "```generated settings\n```",
        "",
        (
            r"settings\.md:\d+: the setting 'queue_mb' \(collector/settings\.py:\d+\) is "
            r"not explained"
        ),
    ),
    "a metric that is not explained": Mistake(
        "docs/reference/metrics.md",
        "```generated metrics\n```",
        "",
        r"metrics\.md:\d+: the metric 'thamesthrive_events_total'",
    ),
    "a finding of verify that is not explained": Mistake(
        "docs/reference/verify.md",
        "```generated verify\n```",
        "",
        r"verify\.md:\d+: the finding 'V012' \(collector/verify/codes_page\.py:\d+\) is not explained",
    ),
    "a column that is not explained": Mistake(
        "columns.toml",
        'bot = "1 if',
        '# bot = "1 if',
        r"columns\.toml:\d+: the column events\.bot is not explained\. Add a line",
    ),
    "an unknown column": Mistake(
        "columns.toml",
        'bot = "1 if',
        'bott = "1 if',
        r"columns\.toml:\d+: there is no column events\.bott\. Did you mean bot\?",
    ),
    "an unknown generated block": Mistake(
        "docs/reference/cli.md",
        "```generated commands",
        "```generated comands",
        r"cli\.md:{line}: unknown generated block 'comands'",
    ),
}
