"""What a site is made with, told by its headers and markup, so that a cure can name its own settings."""

import re
from dataclasses import dataclass

from .page import Page


@dataclass(frozen=True)
class Platform:
    """`place`: where the snippet goes there; `cache`: what to purge."""

    name: str
    place: str
    cache: str


@dataclass(frozen=True)
class _Mark:
    """What gives a platform away: a pattern in the page's text, in its generator, or in a header."""

    platform: Platform
    text: str = "$.^"
    generator: str = "$.^"
    header: tuple[str, str] = ("", "")


UNKNOWN = Platform(
    "an unknown platform", "It goes into the template of all pages.", "the site and its CDN"
)

_MARKS = (
    _Mark(
        Platform(
            "Shopify",
            "In Shopify: Online Store, Themes, Edit code, layout/theme.liquid, before </head>.",
            "Shopify (publish the theme anew)",
        ),
        text=r"cdn\.shopify\.com|Shopify\.theme",
        header=("x-shopid", ""),
    ),
    _Mark(
        Platform(
            "WordPress",
            "In WordPress: functions.php of a child theme, or a plugin for header code.",
            "WordPress (the caching plugin's Purge all)",
        ),
        text=r"/wp-(content|includes)/",
        generator="^WordPress",
        header=("link", r"/wp-json/"),
    ),
    _Mark(
        Platform(
            "Wix",
            "In Wix: Settings, Custom Code, Head, All pages.",
            "Wix (publish the site anew)",
        ),
        text=r"static\.parastorage\.com|static\.wixstatic\.com",
        generator=r"^Wix\.com",
        header=("x-wix-request-id", ""),
    ),
    _Mark(
        Platform(
            "Squarespace",
            "In Squarespace: Settings, Advanced, Code Injection, Header.",
            "Squarespace",
        ),
        text=r"static1\.squarespace\.com",
        generator=r"^Squarespace",
    ),
    _Mark(
        Platform(
            "Webflow",
            "In Webflow: Site settings, Custom code, Head code; then publish.",
            "Webflow (publish the site anew)",
        ),
        generator="^Webflow",
        text=r"data-wf-site=",
    ),
    _Mark(
        Platform(
            "Drupal",
            "In Drupal: html.html.twig of the theme, or the module Asset Injector.",
            "Drupal (drush cache:rebuild)",
        ),
        generator="^Drupal",
        header=("x-generator", "^Drupal"),
    ),
    _Mark(
        Platform(
            "Next.js",
            "In Next.js: app/layout.tsx, with the component Script of next/script.",
            "Next.js (build and deploy anew, or revalidate the page)",
        ),
        text=r"/_next/static/|id=\"__NEXT_DATA__\"",
        header=("x-powered-by", r"^Next\.js"),
    ),
    _Mark(
        Platform(
            "Nuxt",
            "In Nuxt: app.head.script of nuxt.config.ts.",
            "Nuxt (build and deploy anew)",
        ),
        text=r"/_nuxt/",
        header=("x-powered-by", "^Nuxt"),
    ),
)

_TAG_MANAGERS = (
    (
        re.compile(r"googletagmanager\.com/(gtm\.js|ns\.html)|GTM-[A-Z0-9]{4,}"),
        "Google Tag Manager",
    ),
    (re.compile(r"assets\.adobedtm\.com"), "Adobe Tags"),
    (re.compile(r"tags\.tiqcdn\.com"), "Tealium"),
    (re.compile(r"cdn\.segment\.com/analytics\.js"), "Segment"),
    (re.compile(r"matomo\.(js|cloud)|/container_[A-Za-z0-9]+\.js"), "Matomo Tag Manager"),
)
_CONSENT_MANAGERS = (
    (re.compile(r"consent\.cookiebot\.com|data-cookieconsent"), "Cookiebot"),
    (re.compile(r"cdn\.cookielaw\.org|otSDKStub|optanon", re.IGNORECASE), "OneTrust"),
    (re.compile(r"klaro(\.min)?\.js|klaroConfig"), "Klaro"),
    (re.compile(r"usercentrics"), "Usercentrics"),
    (re.compile(r"iubenda"), "iubenda"),
    (re.compile(r"cmplz|complianz"), "Complianz"),
    (re.compile(r"borlabs"), "Borlabs Cookie"),
    (re.compile(r"cookieyes|cky-consent"), "CookieYes"),
    (re.compile(r"cookieconsent(\.umd)?(\.min)?\.js"), "CookieConsent"),
    (re.compile(r"didomi"), "Didomi"),
)


def platform_of(page: Page) -> Platform:
    """The platform of a page, UNKNOWN if nothing gives it away."""
    return next((mark.platform for mark in _MARKS if _fits(mark, page)), UNKNOWN)


def _fits(mark: _Mark, page: Page) -> bool:
    name, pattern = mark.header
    value = page.response.headers.get(name) if name else None
    return (
        (value is not None and re.search(pattern, value, re.IGNORECASE) is not None)
        or re.search(mark.generator, page.generator) is not None
        or re.search(mark.text, page.text) is not None
    )


def tag_manager_of(page: Page) -> str | None:
    """The name of a tag manager that the page loads."""
    return _named(_TAG_MANAGERS, page.text)


def consent_manager_of(page: Page) -> str | None:
    """The name of a consent manager that the page loads."""
    return _named(_CONSENT_MANAGERS, page.text)


def _named(known: tuple[tuple[re.Pattern[str], str], ...], text: str) -> str | None:
    return next((name for pattern, name in known if pattern.search(text)), None)
