"""The shop, broken in one way each; what its test must say then."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from collector.testing import TrackingCollector, TrackingSource
from tests.shop import test_cart as cart
from tests.shop import test_catalogue as catalogue
from tests.shop import test_checkout as checkout
from tests.shop import test_offers as offers
from tests.shop import test_outlet as outlet
from tests.shop import test_refunds as refunds

NOBODY = "http://127.0.0.1:9"  # the discard port: nobody listens
STRANGER = "00000000-0000-4000-8000-000000000000"
OPEN = "default-src 'self' 'unsafe-inline'"

Prepare = Callable[[TrackingCollector, TrackingSource], None]


@dataclass(frozen=True)
class Mutation:
    """`test`: of the shop, which fails. `link`: the first broken one, as in `Link`; None for what is
    no matter of an event's way. `says`: what the message has to contain. `changes`: file → (text,
    what stands in its place). `blocked`: addresses that a content blocker knows."""

    name: str
    test: Callable[..., None]
    link: str | None
    says: tuple[str, ...]
    changes: dict[str, tuple[str, str]] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    prepare: Prepare = lambda collector, source: None
    blocked: str = ""
    script: str = ""  # runs in each page before its own
    loses_run: bool = False


def csp(**directives: str) -> dict[str, str]:
    rules = [OPEN, *(f"{name.replace('_', '-')} {value}" for name, value in directives.items())]
    return {"Content-Security-Policy": "; ".join(rules)}


def setting(**fields: Any) -> Prepare:
    return lambda collector, source: collector.set_source(source, **fields)


IN_PAGES = [
    Mutation(
        "event-missing",
        cart.test_adding_is_one_event,
        "not called",
        ("given page-view, product-view, but never add-to-cart",),
        {"product.html": ('tracker.track("add-to-cart", {', "void ({")},
    ),
    Mutation(
        "event-twice",
        cart.test_adding_is_one_event,
        "stored too often",
        ("Expected 1 × add-to-cart", "stored 2", "seen to track it 2 times"),
        {
            "product.html": (
                'tracker.track("add-to-cart"',
                'tracker.track("add-to-cart", { sku, quantity, price: product.price });\n'
                'tracker.track("add-to-cart"',
            )
        },
    ),
    Mutation(
        "wrong-price",
        checkout.test_buying_stores_one_order,
        "stored, but different",
        ("properties.price: expected 13.45, stored 1345",),
        {"checkout.html": ("price: total()", "price: total() * 100")},
    ),
    Mutation(
        "wrong-type",
        checkout.test_buying_stores_one_order,
        "rejected",
        ("purchase-order: invalid, /properties/price", '(schema /properties/price/type: "number")'),
        {"checkout.html": ("price: total()", "price: String(total())")},
    ),
    Mutation(
        "number-as-text",
        cart.test_adding_is_one_event,
        "stored, but different",
        ('properties.quantity: expected 1, stored "1"',),
        {"product.html": ("{ sku, quantity, price", "{ sku, quantity: `${quantity}`, price")},
    ),
    Mutation(
        "property-missing",
        checkout.test_buying_stores_one_order,
        "rejected",
        ("purchase-order: invalid, /properties/order",),
        {"checkout.html": ("order: newOrder(), ", "")},
    ),
    Mutation(
        "schema-broken",
        checkout.test_the_currency_is_known,
        "rejected",
        ("purchase-order: invalid, /properties/currency",),
        {"checkout.html": ('currency: "EUR"', 'currency: "Euro"')},
    ),
    Mutation(
        "renamed",
        checkout.test_buying_stores_one_order,
        "stored under another name",
        ("Did you mean 'purchase_order'?",),
        {"checkout.html": ('"purchase-order"', '"purchase_order"')},
    ),
    Mutation(
        "csp-connect",
        catalogue.test_a_product_is_seen_with_its_price,
        "blocked",
        ("Content-Security-Policy blocked", "/track (connect-src)"),
        headers=csp(script_src="* 'unsafe-inline'", connect_src="'self'"),
    ),
    Mutation(
        "csp-bundle",
        catalogue.test_a_product_is_seen_with_its_price,
        "tracker not loaded",
        ("Content-Security-Policy blocked", "tracker.min.js"),
        headers=csp(),
    ),
    Mutation(
        "csp-inline",
        catalogue.test_a_product_is_seen_with_its_price,
        "tracker not loaded",
        ("Content-Security-Policy blocked inline",),
        headers={"Content-Security-Policy": "script-src 'self'"},
    ),
    Mutation(
        "blocker-requests",
        catalogue.test_a_product_is_seen_with_its_price,
        "blocked",
        ("/track: ", "A content blocker did that"),
        blocked="**/track",
    ),
    Mutation(
        "blocker-bundle",
        catalogue.test_a_product_is_seen_with_its_price,
        "tracker not loaded",
        ("tracker.min.js: ", "A content blocker did that"),
        blocked="**/tracker.min.js",
    ),
    Mutation(
        "wrong-id",
        outlet.test_what_was_tracked_early_is_stored,
        "refused",
        ("401 unknown_source", STRANGER),
        {"app.html": ("{{ source }}", STRANGER)},
    ),
    Mutation(
        "disabled-source",
        checkout.test_buying_stores_one_order,
        "refused",
        ("401 disabled_source", "thamesthrive source set ID --enabled"),
        prepare=setting(enabled=False),
    ),
    Mutation(
        "origin-not-listed",
        catalogue.test_a_product_is_seen_with_its_price,
        "refused",
        ("403 origin_not_allowed", "from http://127.0.0.1"),
        prepare=setting(origins=["https://shop.example.com"]),
    ),
    Mutation(
        "rate-limited",
        checkout.test_buying_stores_one_order,
        "refused",
        ("429 rate_limited",),
        prepare=setting(rate_limit=1),
    ),
    Mutation(
        "consent-denied",
        offers.test_what_waited_is_stored_after_the_yes,
        "held",
        ('the page has called tracker.consent("denied")',),
        {"offers.html": ('decide("granted")', 'decide("denied")')},
    ),
    Mutation(
        "consent-never-given",
        offers.test_what_waited_is_stored_after_the_yes,
        "held",
        ('settings.consent is "pending"',),
        {"offers.html": ("tracker.consent(decision);", "")},
    ),
    Mutation(
        "privacy-control",
        offers.test_what_waited_is_stored_after_the_yes,
        "held",
        ("the browser asks not to be tracked",),
        script="Object.defineProperty(navigator, 'globalPrivacyControl', { value: true })",
    ),
    Mutation(
        "spa-view-missing",
        outlet.test_going_back_is_a_view,
        "not called",
        ("page-view was stored once, and nothing has tracked it again",),
        {"app.html": ('page-views="spa"', 'page-views="load"')},
    ),
    Mutation(
        "no-snippet",
        outlet.test_what_was_tracked_early_is_stored,
        "tracker not loaded",
        ("no bundle was asked for",),
        {"app.html": ("<script async", '<script type="text/plain"')},
    ),
    Mutation(
        "bundle-not-found",
        outlet.test_what_was_tracked_early_is_stored,
        "tracker not loaded",
        ("/tracker/tracker.js: answered",),
        {"app.html": ("tracker.min.js", "tracker.js")},
    ),
    Mutation(
        "wrong-address",
        catalogue.test_a_product_is_seen_with_its_price,
        "sent elsewhere",
        (f"{NOBODY}/track: ",),
        {
            "product.html": (
                "</head>",
                f'<script>options.tracker.url.api = "{NOBODY}"</script></head>',
            )
        },
    ),
    Mutation(
        "another-run",
        outlet.test_what_was_tracked_early_is_stored,
        "stored under another run",
        ("outlet-opened", "belongs to run 'left-over'"),
        {"app.html": ("<script async", '<script async data-qa-run="left-over"')},
    ),
    Mutation(
        "script-fails",
        catalogue.test_a_product_is_seen_with_its_price,
        "not called",
        ("a script failed: ", "toFixed"),
        {"product.html": ("textContent = product.price", "textContent = product.prize.toFixed(2)")},
    ),
    Mutation(
        "wrong-order",
        checkout.test_the_checkout_starts_before_the_order,
        "stored, but different",
        ("purchase-order was stored, but earlier in the sequence",),
        {
            "checkout.html": ('tracker.track("checkout-started"', 'String("checkout-started"'),
            "thanks.html": (
                'tracker.track("page-view"',
                'tracker.track("checkout-started", { total: 13.45, items: 1 });\n'
                'tracker.track("page-view"',
            ),
        },
    ),
    Mutation(
        "personal-data",
        checkout.test_the_visitor_stays_unknown,
        None,
        ("Expected no jane@example.com in any event, found in purchase-order at properties.by",),
        {
            "checkout.html": (
                "order: newOrder()",
                'by: document.getElementById("email").value, order: newOrder()',
            )
        },
    ),
]

ON_SERVERS = [
    Mutation(
        "bridge-not-allowed",
        refunds.test_a_refund_is_stored,
        "refused",
        ("401 bridge_not_allowed",),
        prepare=setting(bridges=["rest"]),
    ),
    Mutation(
        "run-not-passed-on",
        refunds.test_a_refund_is_stored,
        "stored under another run",
        ("refund", "belongs to no run", "tracking.headers"),
        loses_run=True,
    ),
]
