# Completion of skep for bash. `./setup link` puts a link to it where bash-completion finds it.
_skep() {
  local line=${COMP_LINE:0:COMP_POINT} candidate head='' rest
  local -a typed=()
  read -ra typed <<<"$line"
  [[ $line != *[[:space:]] ]] || typed+=("")
  # Readline takes what stands behind the last `:` or `=` for the word; skep's words have both in them.
  rest=${typed[${#typed[@]} - 1]}
  while [[ $rest == *[:=]* ]]; do
    candidate=${rest%%[:=]*}
    candidate=${rest:0:${#candidate}+1}
    [[ $COMP_WORDBREAKS == *"${candidate: -1}"* ]] && head+=$candidate || break
    rest=${rest#"$candidate"}
  done
  COMPREPLY=()
  while IFS=$'\t' read -r candidate _; do
    COMPREPLY+=("${candidate#"$head"}")
  done < <(command skep --complete "${typed[@]:1}" 2>/dev/null)
  if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then
    compopt -o nospace 2>/dev/null
  fi
}
complete -o bashdefault -o default -F _skep skep
