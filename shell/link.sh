# shellcheck shell=sh
# `./setup link`: links to the command skep and to its completion, where shells look for them. `setup` reads this.
link_all() {
  [ -n "${HOME-}" ] || die "HOME is not set, so that there is no ~/.local/bin"
  data=${XDG_DATA_HOME:-$HOME/.local/share}
  link_to skep "$HOME/.local/bin/skep"
  link_to skep.bash "$data/bash-completion/completions/skep"
  link_to _skep "$data/zsh/site-functions/_skep"
  link_to skep.fish "${XDG_CONFIG_HOME:-$HOME/.config}/fish/completions/skep.fish"
  case ":$PATH:" in
    *":$HOME/.local/bin:"*) ;;
    *) say "~/.local/bin is not in PATH: add it there, in ~/.profile: PATH=\"\$HOME/.local/bin:\$PATH\"" ;;
  esac
  say "names complete in bash (with bash-completion) and fish; in zsh with this before compinit: fpath+=(\"$data/zsh/site-functions\")"
}

# A link of another checkout's is replaced; a file of somebody else's is not.
link_to() {
  case $([ ! -L "$2" ] || readlink "$2") in */shell/"$1") rm -f "$2" ;; esac
  [ ! -e "$2" ] && [ ! -L "$2" ] || die "$2 is there already, and is not skep's: move it away"
  mkdir -p "${2%/*}" && ln -s "$here/shell/$1" "$2" || die "cannot make $2"
  say "$2 -> $here/shell/$1"
}

link_all
