"""People and teams: who they are, and what they look after."""

from provender.core.names import unknown
from provender.core.people import Person, check_actor_id
from provender.web import facets
from provender.web.page import Page, Visit

AT_A_TIME = 50


def person(visit: Visit) -> Page:
    """One person, service or team, with the datasets that they have an office over."""
    identity = check_actor_id(visit.part("id"))
    governance = visit.catalog.governance(datasets=False)
    known = {one.id: one for one in governance.people}
    if identity not in known and identity not in governance.teams:
        raise unknown("person or team", identity, [*known, *governance.teams])
    found = known.get(identity, Person(id=identity))
    after = visit.asked("after")
    owned = visit.catalog.finder.entries({"owner": (identity,)}, limit=AT_A_TIME, after=after)
    return Page(
        template="person.html",
        title=found.name or identity,
        facts={
            "id": identity,
            "name": found.name,
            "contact": found.contact,
            "teams": found.teams,
            "members": [one.id for one in governance.people if identity in one.teams],
            "domains": [one.name for one in governance.domains if one.owner == identity],
            "datasets": owned.items,
            "next": owned.next,
        },
        shown={
            "people": known,
            "after": after,
            "all": facets.address("/search", {}, {"owner": (identity,)}),
        },
    )
