# shellcheck shell=sh
# The docker command and BuildKit's part of it, which builds Dockerfiles. Run before such a build; all there: 50 ms.

has docker || install_packages docker_cli
# A client from 23 on has BuildKit in a plug-in; without it there is the classic builder, which has no build secrets.
case $(docker version --format '{{.Client.Version}}' 2>/dev/null) in
1?.* | 20.*) ;;
*) docker buildx version >/dev/null 2>&1 || (install_packages buildx) || say "docker-buildx can't be installed" ;;
esac
