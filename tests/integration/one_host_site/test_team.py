"""Several people and a CI on one site: each comes in with a key of its own, and who is taken out is out."""

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from model.new_site.ci_files import SkepSource, ci_files
from tests import processes, rig
from tests.doubles.comments_api import Api
from tests.integration.one_host_site.one_host import RUN, OneHost
from tests.integration.one_host_site.test_new_site import made
from tests.integration.site import Site
from tests.unit.ssh_keys import made_key, wire_key

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

GIT = f"""#!/bin/sh
# skep itself is this checkout: no network, and nothing of it is checked out anew.
case "$*" in
clone*skep) for there; do :; done; ln -s {rig.ROOT} "$there" ;;
"-C skep "* | "-C ../skep "*) : ;;
*) PATH=${{PATH#*:}} exec git "$@" ;;
esac
"""


# -- operators ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def people(site: OneHost, tmp_path: Path) -> Iterator[dict[str, dict[str, str]]]:
    """Give the environments of Ann and Bob, who both are operators; afterwards nobody is.

    Ann has her key in a file of ~/.ssh, Bob has his, which has a passphrase, in an ssh agent alone.
    """
    ann, bob, agent = tmp_path / "ann", tmp_path / "bob", tmp_path / "agent"
    keys = {
        "ann": made_key(ann / ".ssh" / "id_ed25519"),
        "bob": made_key(bob / "key", "ed25519", "correct horse"),
    }
    askpass = tmp_path / "askpass"
    askpass.write_text("#!/bin/sh\necho correct horse\n")
    askpass.chmod(0o755)
    with processes.started(["ssh-agent", "-D", "-a", str(agent)], stdout=subprocess.DEVNULL):
        try:
            rig.wait_until(agent.exists, "the agent")
            told = {"SSH_AUTH_SOCK": str(agent), "SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"}
            words = ["ssh-add", "-q", str(bob / "key")]
            subprocess.run(words, env={**os.environ, **told}, check=True, timeout=240, capture_output=True)
            shutil.rmtree(bob)
            bob.mkdir()
            site.write("[operators]\n", *(f'{name} = "{key}"\n' for name, key in keys.items()))
            yield {
                "ann": {"HOME": str(ann), "SSH_AUTH_SOCK": ""},
                "bob": {"HOME": str(bob), "SSH_AUTH_SOCK": str(agent)},
            }
        finally:
            site.write()
            for name in ("HOME", "SSH_AUTH_SOCK"):
                site.variables.pop(name, None)
            site.ran("build_infra")


def without(site: Site, name: str) -> None:
    """Take an operator out of site.toml."""
    lines = site.toml.read_text().splitlines(keepends=True)
    site.toml.write_text("".join(line for line in lines if not line.startswith(f"{name} = ")))


def test_operators_come_and_go(site: OneHost, people: dict[str, dict[str, str]], tmp_path: Path) -> None:
    """A second one needs a clone and his key; who is taken out is shut out by the next run, open sessions included.

    The key that the first one's checkout had goes when her own is in.
    """
    site.variables.update(people["ann"])
    former = site.state / "secrets" / "id_ed25519"
    blob = former.with_suffix(".pub").read_text().split()[1]
    keys = "cat ~skep/.ssh/authorized_keys"

    assert site.run("build_infra").well().reasons.keys() == {
        "build_infra:ssh_key",
        "build_infra:hive0",
    }
    assert blob not in site.on_host(keys)
    assert site.run("build_infra").did_nothing

    clone = Site(tmp_path / "clone", "bases")
    clone.toml.write_text(site.toml.read_text())
    clone.variables.update(people["bob"])
    clone.run("setup_hosts").well()
    secrets = sorted(path.name for path in (clone.state / "secrets").iterdir())
    assert secrets == ["operator.pub", "vault.json"], "he has no second key"
    assert (clone.state / "secrets" / "vault.json").read_bytes() == (
        site.state / "secrets" / "vault.json"
    ).read_bytes()

    env = {**os.environ, **people["bob"]}
    words = ["ssh", "-F", str(clone.state / "ssh_config"), "-o", "ControlPath=none", "hive0"]
    with processes.started([*words, "echo in; exec sleep 300"], stdout=subprocess.PIPE, env=env) as session:
        assert session.stdout is not None
        assert session.stdout.readline() == b"in\n"
        without(site, "bob")
        ended = site.run("build_infra").well()
        assert ended.reasons == {"build_infra:hive0": "operators.bob removed"}
        assert session.wait(timeout=240) == 255
    assert subprocess.run([*words, "true"], env=env, capture_output=True, timeout=240, check=False).returncode
    assert "bob" not in site.on_host(keys)

    # As on a host that was down when she was taken out: whoever looks next sees it.
    eve = f"{wire_key('ssh-ed25519', bytes(32))} skep-operator:eve:1:2026-11-29T08:00:00Z"
    site.on_host(f"echo '{eve}' >>~skep/.ssh/authorized_keys")
    ended = site.run("build_infra").well()
    assert ended.reasons == {"build_infra:hive0": "hive0 still lets in eve, not of [operators] any more"}
    assert "eve" not in site.on_host(keys)


# -- CI ----------------------------------------------------------------------------------------------------------------


class Pipeline:
    """A CI's jobs, run here as its file says: each in a fresh clone of the site, in a home that has nothing.

    Args:
        site: The site, in git.
        directory: Where the jobs run.
        api: The server that has the request's comments.
        keys: The content of SKEP_KEYS.

    """

    def __init__(self, site: Site, directory: Path, api: Api, keys: str) -> None:
        self._site, self._directory, self._keys = site, directory, keys
        programs = directory / "bin"
        programs.mkdir(parents=True)
        for name, text in {"git": GIT, "apt-get": "#!/bin/sh\n"}.items():
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        self._env = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "GITHUB_API_URL": api.address,
            "CI_API_V4_URL": api.address,
        }
        self._jobs = 0
        self.output = ""
        self.state = Path()

    def _clone(self, *parts: str) -> tuple[Path, dict[str, str]]:
        """Return a new directory with a clone of the site, and the environment of a job there."""
        self._jobs += 1
        here = self._directory / f"job{self._jobs}"
        home = here / "home"
        home.mkdir(parents=True)
        subprocess.run(
            ["git", "clone", "-q", self._site.directory, here.joinpath(*parts)], check=True, timeout=240
        )
        self.state = here.joinpath(*parts) / "state"
        return here, {**self._env, "HOME": str(home), "GITHUB_STEP_SUMMARY": str(here / "summary")}

    def github(self, job: str, ref: str) -> None:
        """Run the steps of a job of the workflow; `uses` is the checkout."""
        here, env = self._clone("site")
        workflow = yaml.safe_load((self._site.directory / ".github/workflows/site.yml").read_text())
        env |= {"GITHUB_ACTIONS": "true", "GITHUB_REF": ref, "GITHUB_REPOSITORY": "me/site"}
        self.output = ""
        for step in workflow["jobs"][job]["steps"]:
            if "run" in step:
                own = {**workflow["env"], **step.get("env", {})}
                self._shell(
                    step["run"], here / step.get("working-directory", "."), {**env, **self._filled(own)}
                )
        assert list((here / "home").iterdir()) == []

    def gitlab(self, job: str) -> None:
        """Run the script of a job of the pipeline, behind what all have before it."""
        here, env = self._clone("site")
        pipeline = yaml.safe_load((self._site.directory / ".gitlab-ci.yml").read_text())
        env |= {"CI_PROJECT_ID": "5", "CI_MERGE_REQUEST_IID": "7", "SKEP_GITLAB_TOKEN": "t0ken"}
        env |= {"SKEP_KEYS": self._keys, **self._filled(pipeline["variables"])}
        self.output = ""
        lines = [*pipeline["default"]["before_script"], *pipeline[job]["script"]]
        self._shell("\n".join(lines), here / "site", env)
        assert list((here / "home").iterdir()) == []

    def _filled(self, env: Mapping[str, Any]) -> dict[str, str]:
        """Return variables with the secrets that they name."""
        secrets = {"secrets.SKEP_KEYS": self._keys, "github.token": "t0ken"}
        return {
            name: re.sub(r"\$\{\{ (.+?) \}\}", lambda found: secrets[found[1]], str(value))
            for name, value in env.items()
        }

    def _shell(self, script: str, directory: Path, env: Mapping[str, str]) -> None:
        """Run a step as both CIs do: by bash, which ends at the first error."""
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script],
            cwd=directory,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN,
            check=False,
        )
        self.output += done.stdout
        assert done.returncode == 0, self.output
        assert self._keys not in self.output


def test_ci_plans_and_runs(site: OneHost, tmp_path: Path) -> None:
    """The files of `doit init ci=` in a fresh clone without state/: nothing is rebuilt, and the plan is a comment.

    What a request would change is in it, and nothing else; a merge deploys that.
    """
    new = made(site, "of-ci", "ci=github")
    for path, text in ci_files(
        "gitlab", "docker", "private", SkepSource("https://example.com/skep.git", "x")
    ).items():
        (new.directory / path).write_text(text)
    new.run(timeout=RUN).well()
    # What other tests left on the host is in no plan of this one's.
    new.run("prune", f"confirm={site.name}", timeout=RUN).well()
    keys = subprocess.run(
        [str(rig.ROOT / ".venv" / "bin" / "doit"), "keys", "export"],
        cwd=new.directory,
        env=new.environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    ).stdout.strip()
    commit(new, "init", "-q")
    with Api() as api:
        thread = threading.Thread(target=api.serve_forever)
        thread.start()
        try:
            pipeline = Pipeline(new, tmp_path / "ci", api, keys)
            before = facts(site)

            pipeline.github("plan", "refs/pull/7/merge")
            assert "nothing to do: all" in api.comments[150], api.comments[150]
            pipeline.github("run", "refs/heads/main")
            assert re.search(r"0 up to date, \d+ done", pipeline.output)
            assert facts(site) == before
            logs = (pipeline.state / "private" / "logs").rglob("*.log")
            held = "".join(path.read_text(errors="replace") for path in logs)
            assert "PRIVATE KEY" not in held + pipeline.output

            new.role("hello/files/index.html").write_text("<h1>changed</h1>\n")
            commit(new)
            pipeline.gitlab("plan")
            comment = api.comments[150]
            assert "`1 to create, 1 to change, " in comment
            assert "\n+ hello (hive0): " in comment
            assert "<summary>deploy_services: 1</summary>\n\n```diff\n~ hello: " in comment
            assert len(api.comments) == 151
            assert facts(site) == before
            pipeline.gitlab("site")
            assert facts(site) != before
        finally:
            api.shutdown()
            thread.join()
    shutil.rmtree(tmp_path / "ci")
    new.run("prune", f"confirm={site.name}", "key=ci:*", timeout=RUN).well()


def commit(site: Site, *first: str) -> None:
    """Commit all of a site."""
    who = ["-c", "user.name=ann", "-c", "user.email=ann@example.com"]
    for words in ([*first] if first else ["add", "-A"], ["add", "-A"], [*who, "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=site.directory, check=True, timeout=240, capture_output=True)


def facts(site: OneHost) -> str:
    """Return what is rebuilt if anything is: the service with its version, its containers, the registry's images."""
    # The swarm makes a version of it once more when it has watched an update for long enough.
    update = "docker service inspect -f '{{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}' hello"
    rig.wait_until(lambda: site.on_host(update).strip() != "updating", "the end of the service's update")
    return site.on_host(
        "docker service inspect -f '{{.ID}} {{.Version.Index}} {{.Spec.TaskTemplate.ContainerSpec.Image}}' hello\n"
        "docker ps -q --no-trunc -f label=com.docker.swarm.service.name=hello\n"
        "find /var/lib/docker-registry -name link -path '*/tags/*' 2>/dev/null | sort\n"
    )
