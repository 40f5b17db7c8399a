"""Owns which Segment traits become fields of a profile or a contact.

A trait that has a field's name but no value the field can take (`tier: "gold"`) is no mistake of the client, who knows
nothing of our fields: for an account it stays an attribute, for a contact it is left out.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from shared.events import AccountProfiled, ContactUpserted

Traits = dict[str, msgspec.Raw]


def profile(traits: Traits) -> dict[str, Any]:
    """Return the data of `kizuna.account.profiled`: known traits as fields, all others as `attributes`."""
    fields, rest = _sorted_out(traits, _PROFILE, _takes_profile)
    return {**fields, "attributes": rest} if rest else fields


def contact(traits: Traits) -> dict[str, Any]:
    """Return the fields of `kizuna.contact.upserted` that the traits tell; of others a contact has no use."""
    fields, rest = _sorted_out(traits, _CONTACT, _takes_contact)
    name = _full_name(rest)
    return {"name": name, **fields} if name else fields


def _sorted_out(traits: Traits, names: dict[str, str], takes: Any) -> tuple[dict[str, Any], Traits]:
    fields, rest = {}, {}
    for trait, value in traits.items():
        field = names.get(trait)
        if field is not None and field not in fields and takes(field, value):
            fields[field] = value
        else:
            rest[trait] = value
    return fields, rest


def _takes_profile(field: str, value: msgspec.Raw) -> bool:
    return _takes(_PROFILE_DECODER, {field: value})


def _takes_contact(field: str, value: msgspec.Raw) -> bool:
    return _takes(_CONTACT_DECODER, {"contact_id": "-", field: value})


def _takes(decoder: msgspec.json.Decoder[Any], data: dict[str, Any]) -> bool:
    try:
        decoder.decode(msgspec.json.encode(data))
    except msgspec.DecodeError:
        return False
    return True


def _full_name(traits: Traits) -> str:
    parts = (
        _text(traits.get(trait)) for pair in (("firstName", "first_name"), ("lastName", "last_name")) for trait in pair
    )
    return " ".join(part for part in parts if part)[:500]


def _text(value: msgspec.Raw | None) -> str:
    try:
        return msgspec.json.decode(value, type=str) if value is not None else ""
    except msgspec.DecodeError:
        return ""


_PROFILE: Final = {
    "name": "name",
    "industry": "industry",
    "segment": "segment",
    "tier": "tier",
    "time_zone": "time_zone",
    "timeZone": "time_zone",
    "timezone": "time_zone",
    "locale": "locale",
    "country": "country",
    "started_on": "started_on",
    "startedOn": "started_on",
    "renewal_on": "renewal_on",
    "renewalOn": "renewal_on",
    "parent_id": "parent_id",
    "parentId": "parent_id",
}
_CONTACT: Final = {
    "name": "name",
    "email": "email",
    "title": "title",
    "roles": "roles",
    "active": "active",
}
_PROFILE_DECODER: Final = msgspec.json.Decoder(AccountProfiled)
_CONTACT_DECODER: Final = msgspec.json.Decoder(ContactUpserted)
