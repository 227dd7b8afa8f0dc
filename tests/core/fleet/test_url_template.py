"""Addresses from a template: what fills it, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templedb_nb.core.address.dsn import read
from templedb_nb.core.fleet.url_template import filled, url_template
from templedb_nb.errors import SecretError

DSN = "template:postgresql://{PGUSER}:{PGPASSWORD}@{host}/{slug}?application_name={name}"
_TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


def test_template_is_filled_from_labels_and_variables() -> None:
    template = url_template(DSN)
    assert template.variables == ("PGUSER", "PGPASSWORD")
    assert template.labels == ("host", "slug", "name")
    labels = {"host": "h1:5433,h2", "slug": "acme", "name": "acme-eu"}
    made = filled(template, labels, {"PGUSER": "app", "PGPASSWORD": "p@ss/w:rd%"})
    assert made == "postgresql://app:p%40ss%2Fw%3Ard%25@h1:5433,h2/acme?application_name=acme-eu"


@given(user=_TEXTS, password=_TEXTS, slug=_TEXTS)
def test_value_stays_in_its_part_of_the_url_whatever_it_holds(
    user: str, password: str, slug: str
) -> None:
    template = url_template("postgresql://{PGUSER}:{PGPASSWORD}@db.internal:5432/{slug}")
    made = filled(template, {"slug": slug}, {"PGUSER": user, "PGPASSWORD": password})
    assert read(made) == {
        "user": user, "password": password, "host": "db.internal", "port": "5432", "dbname": slug,
    }  # fmt: skip


@pytest.mark.parametrize("slug", ["../other", "a/b", "..", ".hidden", "a b", "x' host=evil", ""])
@pytest.mark.parametrize("text", ["duckdb:tenants/{slug}.duckdb", "host=db dbname={slug}"])
def test_label_is_refused_outside_of_a_url_when_it_is_no_plain_word(text: str, slug: str) -> None:
    with pytest.raises(SecretError, match="the label slug is"):
        filled(url_template(text), {"slug": slug}, {})


def test_template_names_every_label_that_a_target_lacks() -> None:
    with pytest.raises(SecretError) as refused:
        filled(url_template("postgresql://{host}/{slug}"), {}, {})
    assert "no label host" in refused.value.message
    assert refused.value.problems == ("the target has no label slug",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("postgresql://app:secret@h/{slug}", "contains a password"),
        ("postgresql://app:s{PGPASSWORD}@h/{slug}", "contains a password"),
        ("postgresql://h/{slug", "a brace is not closed"),
        ("postgresql://h/slug}", "a brace is not closed"),
        ("postgresql://h/{}", "{} names neither"),
        ("postgresql://h/{Not A Label}", "names neither"),
        ("postgresql://h/{approvals}", "names neither"),
    ],
)
def test_template_is_refused_when_it_cannot_be_filled(text: str, told: str) -> None:
    with pytest.raises(SecretError) as refused:
        url_template(f"template:{text}")
    assert any(told in each for each in refused.value.problems)
    assert "secret" not in str(refused.value.problems)
