"""The sections on what runs: what is wrong, the picture, hosts, services, volumes, networks."""

from collections.abc import Iterator

from commands.operate.status_lines import size_words, span
from commands.page.anchors import anchors
from commands.page.markup import Markup, el, joined
from commands.page.picture import NARROW, WIDE, picture
from commands.page.pieces import (
    UNKNOWN,
    faults,
    moment,
    moment_of,
    not_fresh,
    pending,
    section,
    state,
    table,
)
from tasks.page.page_data import PageData, PageSource
from tasks.page.site_parts import PageDeployment, PageHost, PageService


def verdict(page: PageData) -> tuple[str, bool]:
    """Return how the site is, in one sentence, and whether that is well."""
    given = sum(not alarm.is_silenced for alarm in page.alarms or ())
    # Of one trouble there may be several findings, and an alarm: they are not added up.
    wrong = [_counted(given, "alarm"), _counted(len(page.problems), "finding")]
    if not page.is_made:
        return "Not built yet, as far as this checkout knows", False
    if not page.can_tell:
        return "No host answers, so nobody can tell how the site is", False
    if any(wrong):
        return f"Something is wrong: {', '.join(filter(None, wrong))}", False
    if page.unread:
        return "Nothing wrong was found, but not everything could be read", False
    return "All is well", True


def _counted(number: int, noun: str) -> str:
    """Return a number of things in words; nothing if there are none."""
    return f"{number} {noun}{'' if number == 1 else 's'}" if number else ""


def wrong_section(page: PageData) -> Markup:
    """Return what is wrong, what could not be read, and who is at work."""
    words, is_good = verdict(page)
    unread = [el("li", f"{each.part}: {each.why}") for each in page.unread]
    return section(
        "wrong",
        "How it is",
        "",
        el("p", state(words, is_good=is_good), class_="verdict"),
        _at_work(page),
        faults([anchors(page).linked(each) for each in page.problems]) if page.problems else None,
        el("h3", "What could not be read") if unread else None,
        el("ul", *unread) if unread else None,
    )


def _at_work(page: PageData) -> Markup | None:
    """Return who is making a change; None if nobody is."""
    if page.run is None:
        return None
    source = page.sources.get("history", PageSource())
    older_of = source.at if source.why else None
    return el(
        "p",
        page.run.who,
        " is making a change right now" if older_of is None else " was making a change at ",
        None if older_of is None else moment(older_of),
        ", since ",
        moment_of(page.run.began),
        ": ",
        el("code", page.run.command),
        ". Some of what is below may be on its way.",
        class_="note",
    )


def picture_section(page: PageData) -> Markup:
    """Return the picture, with a field that brings one service out."""
    names = sorted({task.service for host in page.hosts for task in host.tasks})
    options = [el("option", "all services", value="")] + [el("option", name, value=name) for name in names]
    choice = el(
        "p",
        el("label", "Bring out ", for_="bring-out"),
        el("select", *options, id="bring-out"),
        id="bring-out-line",
        hidden=True,
    )
    legend = el(
        "ul",
        *(
            el("li", el("span", sign, class_="sign", aria_hidden="true"), words)
            for sign, words in (
                ("■", "a task that runs"),
                ("□", "one that starts"),
                ("✕", "one that does not run as it should"),
                ("─", "line on the left: a network; line on the right: a service keeps data there"),
            )
        ),
        class_="legend",
    )
    return section(
        "picture",
        "The site as a picture",
        "Each large box is a host, a machine. The small boxes in it are services that run there, with a square for "
        "each of their tasks. Cylinders are volumes, where data is kept.",
        choice if len(names) > 1 else None,
        el("figure", picture(page, WIDE), picture(page, NARROW)),
        legend,
    )


# -- tables ------------------------------------------------------------------------------------------------------------


def hosts_section(page: PageData) -> Markup:
    """Return the table of hosts."""
    rows = [_host(host) for host in page.hosts]
    head = ("Host", "State", "Role", "Load", "Memory used", "Disk used", "Up for", "Tasks", "Worth knowing")
    return section(
        "hosts",
        "Hosts",
        "The machines of the site. Load is how many processors are wanted, of those that there are.",
        table("Hosts", head, rows, [f"host-{n}" for n in range(len(rows))])
        if rows
        else el("p", "There are none."),
    )


def _host(host: PageHost) -> list[str]:
    """Return a host's row."""
    up = "not made yet" if not host.is_made else "answers" if host.is_up else "does not answer"
    role = ", ".join(filter(None, (host.role, "repository" if host.is_repository else "")))
    load = f"{host.load:.2f} of {host.cpus}" if host.load is not None else UNKNOWN
    memory = UNKNOWN
    if host.memory is not None and host.memory_used is not None:
        memory = f"{size_words(host.memory_used)} of {size_words(host.memory)}"
    return [
        host.name,
        state(up, is_good=host.is_up),
        role or UNKNOWN,
        load,
        memory,
        UNKNOWN if host.disk is None else f"{host.disk:.0%}",
        UNKNOWN if host.uptime is None else span(host.uptime),
        str(len(host.tasks)),
        faults(host.problems, host.notes),
    ]


def services_section(page: PageData) -> Markup:
    """Return the table of services."""
    rows = [_service(service, page) for service in page.services]
    head = ("Service", "Running", "Revision", "Deployed", "Where", "Networks", "Volumes", "Worth knowing")
    return section(
        "services",
        "Services",
        "The programs that the site is for. Each runs as one or more tasks; a revision is one version of its "
        "definition, and going back to an earlier one is possible.",
        not_fresh(page.sources.get("history"), "Who deployed what") if rows else None,
        table("Services", head, rows, [f"service-{n}" for n in range(len(rows))])
        if rows
        else el("p", "There are none."),
    )


def _service(service: PageService, page: PageData) -> list[str]:
    """Return a service's row."""
    verb = "done" if service.mode.endswith("-job") else "run"
    running = f"{service.running} of {service.wanted} {verb}"
    health = f", {service.healthy} healthy" if service.healthy is not None else ""
    is_starting = service.healthy is not None and service.healthy < service.running
    revision = UNKNOWN if service.revision is None else str(service.revision)
    return [
        service.name,
        pending(f"{running}{health} so far")
        if is_starting and not service.problems
        else state(f"{running}{health}", is_good=service.running >= service.wanted and not service.problems),
        f"{revision} (rolled back, and kept so)" if service.is_pinned else revision,
        _deployed(service.deployed),
        ", ".join(_where(service.name, page)) or "nowhere",
        ", ".join(service.networks) or UNKNOWN,
        ", ".join(service.volumes) or UNKNOWN,
        faults(service.problems, service.notes),
    ]


def _where(service: str, page: PageData) -> Iterator[str]:
    """Yield the hosts that a service has tasks on, each with their number if that is not one."""
    for host in page.hosts:
        count = sum(task.service == service for task in host.tasks)
        if count:
            yield host.name if count == 1 else f"{count} on {host.name}"


def _deployed(found: PageDeployment | None) -> Markup:
    """Return who deployed a revision, when, and from which commit."""
    if found is None:
        return joined(UNKNOWN)
    commit = f", commit {found.commit}{' with changes' if found.is_dirty else ''}" if found.commit else ""
    is_address = found.job.startswith(("https://", "http://"))
    job = joined(", ", el("a", "job", href=found.job, rel="noreferrer")) if is_address else None
    return joined(moment_of(found.began), f" by {found.who}{commit}", job)


def storage_section(page: PageData) -> Markup:
    """Return the tables of volumes and networks."""
    volumes = [
        [
            each.name,
            each.host,
            UNKNOWN if each.size is None else size_words(each.size),
            UNKNOWN if each.disk is None else f"{each.disk:.0%}",
            faults(each.problems),
        ]
        for each in page.volumes
    ]
    networks = [
        [
            each.name,
            ", ".join(each.subnets) or UNKNOWN,
            ", ".join(service.name for service in page.services if each.name in service.networks) or UNKNOWN,
            faults(each.problems),
        ]
        for each in page.networks
    ]
    return section(
        "storage",
        "Volumes and networks",
        "A volume is a directory on a host in which services keep data. Services in one network can reach each other.",
        table("Volumes", ("Volume", "Host", "Size", "Disk used", "Worth knowing"), volumes)
        if volumes
        else None,
        table("Networks", ("Network", "Addresses", "Services", "Worth knowing"), networks)
        if networks
        else None,
        None if volumes or networks else el("p", "There are none."),
    )


def read_line(page: PageData) -> Markup:
    """Return when the page was read."""
    return el("p", "As the site was at ", moment(page.read_at), ".", class_="read-at")
