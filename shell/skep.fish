# Completion of skep for fish. `./setup link` puts a link to it where fish finds it.
function __skep_candidates
    set -l typed (commandline -opc) (commandline -ct)
    command skep --complete $typed[2..] 2>/dev/null
end
complete -c skep -f -a '(__skep_candidates)'
complete -c skep -n '__fish_seen_subcommand_from authorize init' -F
