# Read by 'start' and by the systemd generator: the options of appliance.conf, where the environment does not have them.
# Lines are read, never run: NAME=value, with or without double quotes.
conf=${BASCULE_CONF:-/etc/bascule/appliance.conf}

# option NAME DEFAULT: the environment's value, else the last one of the file, else DEFAULT.
option() {
  eval "given=\${$1:-}"
  if [ -z "$given" ] && [ -r "$conf" ]; then
    given=$(sed -n "s/^[[:space:]]*$1=\"\{0,1\}\([^\"]*[^\"[:space:]]\)\"\{0,1\}[[:space:]]*\$/\1/p" "$conf" | tail -n 1)
  fi
  printf '%s' "${given:-$2}"
}
