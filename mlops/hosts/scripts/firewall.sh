# firewalld and SELinux, where they run. ufw needs nothing: MicroK8s adds its rules there.
# Values: FIREWALL (open or leave), FIREWALL_SOURCES (networks of pods and services, addresses of the nodes; separated by spaces), ADDRESS (the
# host's own), SELINUX (leave or permissive)
FIREWALL_ADDED="$STATE/firewall-rules"
SELINUX_FILE=/etc/selinux/config
SELINUX_WAS_ENFORCING="$STATE/selinux-was-enforcing"

firewalld_runs() { command -v firewall-cmd >/dev/null && firewall-cmd --state >/dev/null 2>&1 9>&-; }

# the zone that the cluster's network card is in
outer_zone() {
  local device zone=''
  device=$(ip -o -4 address show to "$ADDRESS" | awk '{print $2; exit}')
  if [ -n "$device" ]; then zone=$(firewall-cmd --get-zone-of-interface="$device" 2>/dev/null 9>&-) || zone=''; fi
  printf '%s' "${zone:-$(firewall-cmd --get-default-zone 9>&-)}"
}

# ZONE RULE: between nodes everything, as their daemons and pods need nearly all of it; from elsewhere the API server, the gateway and node ports
firewall_rules() {
  local outer source port
  outer=$(outer_zone)
  for source in $FIREWALL_SOURCES; do printf 'trusted source=%s\n' "$source"; done
  printf 'trusted interface=%s\n' vxlan.calico cali+
  printf '%s %s\n' "$outer" masquerade
  for port in 16443/tcp 80/tcp 443/tcp 30000-32767/tcp 30000-32767/udp; do printf '%s port=%s\n' "$outer" "$port"; done
}

open_firewall() {
  local rules zone rule
  if [ "$FIREWALL" = leave ] || ! firewalld_runs; then return 0; fi
  rules=$(firewall_rules)
  # those of hosts and networks that are no more
  if [ -f "$FIREWALL_ADDED" ]; then
    while read -r zone rule; do
      if [ -n "$rule" ] && ! grep -qxF "$zone $rule" <<<"$rules"; then close_rule "$zone" "$rule"; fi
    done < <(cat "$FIREWALL_ADDED")
  fi
  while read -r zone rule; do
    if ! firewall-cmd --permanent --zone="$zone" --query-"$rule" >/dev/null 2>&1 9>&-; then
      # noted first: what is noted and not there is harmless, the other way round it would stay for good
      note_rule "$zone $rule"
      quiet firewall-cmd --permanent --zone="$zone" --add-"$rule"
    fi
    # not by --reload, which drops what others have set until the next boot only
    if ! firewall-cmd --zone="$zone" --query-"$rule" >/dev/null 2>&1 9>&-; then quiet firewall-cmd --zone="$zone" --add-"$rule"; fi
  done <<<"$rules"
  rules_are_in_force || fail 'firewalld does not keep the rules of the cluster' "in force: $(tr '\n' ';' <<<"$rules")" \
    "firewall-cmd --list-all-zones on the host tells; or set hosts.firewall to leave and open them yourself"
}

note_rule() {
  mkdir -p "$STATE"
  if [ ! -f "$FIREWALL_ADDED" ] || ! grep -qxF "$1" "$FIREWALL_ADDED"; then printf '%s\n' "$1" >>"$FIREWALL_ADDED"; fi
}

rules_are_in_force() {
  local zone rule
  while read -r zone rule; do
    firewall-cmd --zone="$zone" --query-"$rule" >/dev/null 2>&1 9>&- || return 1
  done <<<"$rules"
}

close_rule() {
  local zone="$1" rule="$2" left
  quiet firewall-cmd --permanent --zone="$zone" --remove-"$rule"
  quiet firewall-cmd --zone="$zone" --remove-"$rule"
  left=$(awk -v rule="$zone $rule" '$0 != rule' "$FIREWALL_ADDED")
  replace_file "$FIREWALL_ADDED" 0600 <<<"$left"
}

close_firewall() {
  local zone rule
  if [ ! -f "$FIREWALL_ADDED" ]; then return 0; fi
  if firewalld_runs; then
    while read -r zone rule; do
      if [ -n "$rule" ]; then close_rule "$zone" "$rule"; fi
    done < <(cat "$FIREWALL_ADDED")
  else
    say 'warning: firewalld does not run, its rules of the cluster stay'
  fi
  rm -f "$FIREWALL_ADDED"
}

# Only when the settings ask for it.
relax_selinux() {
  local text
  if [ "$SELINUX" != permissive ] || ! command -v getenforce >/dev/null; then return 0; fi
  if grep -qx 'SELINUX=enforcing' "$SELINUX_FILE"; then
    replace_file "$SELINUX_WAS_ENFORCING" 0600 <<<yes
    text=$(sed 's/^SELINUX=enforcing$/SELINUX=permissive/' "$SELINUX_FILE")
    replace_file "$SELINUX_FILE" 0644 <<<"$text"
  fi
  if [ "$(getenforce)" = Enforcing ]; then
    quiet setenforce 0
    say 'SELinux is permissive from now on'
  fi
  if [ "$(getenforce)" = Enforcing ]; then problem 'SELinux is enforcing after setenforce 0' 'permissive, as the settings say' 'look into the audit log of the host'; fi
}

restore_selinux() {
  local text
  if [ ! -f "$SELINUX_WAS_ENFORCING" ]; then return 0; fi
  text=$(sed 's/^SELINUX=permissive$/SELINUX=enforcing/' "$SELINUX_FILE")
  replace_file "$SELINUX_FILE" 0644 <<<"$text"
  if [ "$(getenforce)" = Permissive ]; then quiet setenforce 1; fi
  rm -f "$SELINUX_WAS_ENFORCING"
}
