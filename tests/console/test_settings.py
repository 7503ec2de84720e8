"""Settings of a source and of the system, changed by people who never saw a terminal."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from collector import store
from collector.store.tokens import hash_of

from ..support import Collector
from .looker import Looker

HOSTILE = "<script>alert(1)</script>\u202e'\"{{7*7}}"


def add_source(collector: Collector, name: str = "Shop") -> str:
    with collector.database() as database:
        return store.add_source(database, name, origins=["https://a.example.com"]).id


def source_of(collector: Collector, source: str) -> store.Source:
    with collector.database() as database:
        return store.get_source(database, source)


@pytest.fixture(params=[True, False], ids=["script", "no-script"])
def anybody(
    browser: Browser, console_collector: Collector, request: pytest.FixtureRequest
) -> Iterator[Looker]:
    """Somebody with a script, and somebody without."""
    with Looker(browser, console_collector, java_script_enabled=request.param) as found:
        yield found


def test_every_field_of_a_source_is_changed(anybody: Looker) -> None:
    source = add_source(anybody.collector)
    page = anybody.goto(f"/sources/{source}/settings")
    expect(page.get_by_label("Origins")).to_have_value("https://a.example.com")
    page.get_by_label("Name", exact=True).fill("Our shop")
    page.get_by_label("Origins").fill("https://b.example.com\nhttps://*.c.example.com:*")
    page.get_by_label("webhook").check()
    page.get_by_label("Validate only").check()
    page.get_by_label("Rate limit").fill("6000")
    page.get_by_label("Quota").fill("50")
    page.get_by_label("Retention in days").fill("400")
    page.get_by_label("Addresses").select_option("none")
    page.get_by_label("Static profiles").check()
    page.get_by_label("Profiles", exact=True).select_option("per-source")
    page.get_by_label("Profile group").fill("ours")
    page.get_by_label("Numbers").fill("order:price")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_contain_text("The settings are saved.")
    changed = source_of(anybody.collector, source)
    assert (changed.name, changed.origins, changed.bridges, changed.numbers) == (
        "Our shop",
        ("https://b.example.com", "https://*.c.example.com:*"),
        ("rest", "webhook"),
        ("order:price",),
    )
    assert (changed.rate_limit, changed.quota_mb, changed.retention_days) == (6000, 50, 400)
    assert (changed.ip_policy, changed.profiles, changed.profile_group) == (
        "none", "per-source", "ours",
    )  # fmt: skip
    assert (changed.validate_only, changed.static_profiles, changed.enabled) == (True, True, True)
    page.get_by_label("Rate limit").fill("")
    page.get_by_label("Validate only").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Rate limit")).to_have_value("")
    again = source_of(anybody.collector, source)
    assert (again.rate_limit, again.validate_only, again.quota_mb) == (None, False, 50)


@pytest.mark.parametrize(
    ("label", "value", "problem"),
    [
        ("Origins", "shop.example.com", "'shop.example.com' is not an origin."),
        ("Rate limit", "many", "Rate limit must be a whole number"),
        ("Rate limit", "0", "rate_limit must be a whole number of at least 1"),
        ("Numbers", "price", "'price' is not a property of an event type."),
        ("Name", " ", "An event source needs a name."),
    ],
)
def test_a_value_that_cannot_be_changes_nothing_and_is_kept(
    looker: Looker, label: str, value: str, problem: str
) -> None:
    source = add_source(looker.collector)
    before = source_of(looker.collector, source)
    page = looker.goto(f"/sources/{source}/settings")
    page.get_by_label("Profile group").fill("ours")
    page.get_by_label(label, exact=label == "Name").fill(value)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text(problem)
    expect(page.get_by_label("Profile group")).to_have_value("ours")
    expect(page.get_by_label(label, exact=label == "Name")).to_have_value(value)
    assert source_of(looker.collector, source) == before


def test_origins_are_checked_while_they_are_typed(looker: Looker) -> None:
    page = looker.goto(f"/sources/{add_source(looker.collector)}/settings")
    page.get_by_label("Origins").fill("shop.example.com")
    expect(page.locator("#origins-check")).to_contain_text("is not an origin")
    looker.check_looks()
    page.get_by_label("Origins").fill("https://a.example.com\nhttps://b.example.com")
    expect(page.locator("#origins-check")).to_contain_text("2 origins")


def test_a_source_gets_a_new_id_and_the_former_one_goes_on(anybody: Looker) -> None:
    collector = anybody.collector
    source = add_source(collector)
    with collector.database() as database:
        store.update_source(database, source, {"origins": []})
    page = anybody.goto(f"/sources/{source}/settings")
    page.get_by_label("Accept the present id for").select_option("30d")
    page.get_by_role("button", name="Give it a new id").click()
    page.wait_for_url("**/install")
    new = page.url.split("/")[-2]
    assert new != source
    page.goto(f"{anybody.root}/sources/{new}/settings")
    expect(page.get_by_text(source)).to_be_visible()
    answer = collector.post({"source": {"id": source}, "events": [{"type": "a"}]})
    assert answer.status_code == 200
    assert len(collector.events(new)) == 1


def test_a_source_is_disabled_and_enabled(anybody: Looker) -> None:
    source = add_source(anybody.collector)
    page = anybody.goto(f"/sources/{source}/settings")
    page.get_by_role("button", name="Disable the source").click()
    expect(page.get_by_role("status").first).to_contain_text("Its events are refused.")
    assert not source_of(anybody.collector, source).enabled
    page.get_by_role("button", name="Enable the source").click()
    expect(page.get_by_role("button", name="Disable the source")).to_be_visible()
    assert source_of(anybody.collector, source).enabled


def test_a_source_is_deleted_by_its_name_and_with_its_events_only_if_one_says_so(
    anybody: Looker,
) -> None:
    collector = anybody.collector
    with collector.database() as database:
        source = store.add_source(database, HOSTILE).id
    collector.post({"source": {"id": source}, "events": [{"type": "a"}]})
    page = anybody.goto(f"/sources/{source}/settings")
    name, delete = page.get_by_label("to delete the source"), "Delete the source"
    shown = page.locator("label[for=delete-name] b").inner_text()
    name.fill("Shop")
    page.get_by_role("button", name=delete).click()
    expect(page.get_by_role("alert")).to_contain_text("type the name of the source")
    name.fill(shown)
    page.get_by_role("button", name=delete).click()
    expect(page.get_by_role("alert")).to_contain_text("The source has events.")
    assert len(collector.events(source)) == 1
    name.fill(shown)
    page.get_by_label("Delete its events").check()
    page.get_by_role("button", name=delete).click()
    expect(page.get_by_role("status").first).to_contain_text("is deleted")
    assert collector.events(source) == []
    assert collector.rows("SELECT * FROM sources WHERE id = ?", source) == []


def test_the_pages_of_settings_are_for_everybody(looker: Looker) -> None:
    with looker.collector.database() as database:
        source = store.add_source(database, HOSTILE, profile_group=HOSTILE, numbers=["a:b"]).id
        source = store.rotate_source(database, source).id
        store.create_token(database, HOSTILE, source_id=source, role=store.READ)
    for path in (
        f"/sources/{source}/settings", "/system", "/system/tokens", "/system/audit",
        f"/system/audit?source={source}", "/system/doctor",
    ):  # fmt: skip
        page = looker.goto(path)
        if path == "/system":
            expect(page.get_by_role("table", name="What was examined")).to_be_visible()
        looker.check_looks()


def test_the_system_shows_how_it_is_doing(anybody: Looker) -> None:
    collector = anybody.collector
    with collector.database() as database:
        source = store.add_source(database, "Three months", retention_days=90).id
    for _ in range(3):
        collector.post({"source": {"id": source}, "events": [{"type": "a"}]})
    page = anybody.goto("/system")
    main = page.locator("main")
    rows = main.get_by_role("row").filter(has_text="Three months")
    expect(rows.last).to_contain_text("90 days")
    expect(main.locator("#load")).to_contain_text("connections of senders")
    commits = main.locator("#load li").filter(has_text="commits").inner_text()
    assert "ms" in commits
    events = collector.rows("SELECT count(*) AS n FROM events")[0]["n"]
    row = main.locator("dl.facts").last
    expect(row).to_contain_text(f"Events{events:,}")
    if not page.evaluate("'htmx' in window"):  # with a script it follows by itself
        page.get_by_role("link", name="Examine this machine").click()
    expect(page.get_by_role("row").filter(has_text="versions")).to_contain_text("SQLite")
    page.goto(f"{anybody.root}/system/audit?source={source}")
    expect(page.get_by_role("row").filter(has_text="source.add")).to_contain_text(
        "retention_days: none → 90"
    )


def test_the_load_follows_what_comes_in(looker: Looker) -> None:
    collector = looker.collector
    source = add_source(collector)
    page = looker.goto("/system")
    with page.expect_response(lambda answer: answer.url.endswith("/system/load")) as answered:
        collector.post({"source": {"id": source}, "events": [{"type": "a"}]})
    assert "<html" not in answered.value.text()
    expect(page.locator("#load")).to_contain_text("events per commit")
    looker.goto("/system/load")
    looker.check_looks()


def test_a_token_is_made_shown_once_and_revoked(anybody: Looker) -> None:
    page = anybody.goto("/system/tokens")
    page.get_by_label("Name").fill("The laptop of Anna")
    page.get_by_label("Role").select_option("read")
    page.get_by_label("Expires").fill("soon")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("alert")).to_contain_text("'soon' is not a time.")
    expect(page.get_by_label("Name")).to_have_value("The laptop of Anna")
    page.get_by_label("Expires").fill("90d")
    page.get_by_role("button", name="Create").click()
    secret = page.locator("#secret").inner_text()
    (made,) = anybody.collector.rows("SELECT * FROM tokens WHERE hash = ?", hash_of(secret))
    assert (made["role"], made["expires_at"] is None) == ("read", False)
    page.goto(f"{anybody.root}/system/tokens")
    assert secret not in page.content()
    row = page.get_by_role("row").filter(has_text="The laptop of Anna").last
    expect(row).to_contain_text("read")
    before = page.get_by_role("row").filter(has_text="The laptop of Anna").count()
    row.get_by_role("button", name="Revoke The laptop of Anna").click()
    expect(page.get_by_role("status").first).to_contain_text("The token is worthless now.")
    expect(page.get_by_role("row").filter(has_text="The laptop of Anna")).to_have_count(before - 1)
