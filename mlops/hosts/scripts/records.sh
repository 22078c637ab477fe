# What steps have recorded of what they left on the host (`record` in lib.sh), and what is there now.

# record_lines KIND: lines STEP KIND NAME VALUE of one kind, or of every kind when it is empty; sets REPLY.
record_lines() {
  local file line found=''
  # shellcheck disable=SC2153 # RECORDS is the library's
  for file in "$RECORDS"/*; do
    [ -f "$file" ] || continue
    while IFS= read -r line; do
      case "$line" in "$1"*) found+="${file##*/}"$'\t'"$line"$'\n' ;; esac
    done <"$file"
  done
  REPLY="$found"
}

# Prints our lines of a file that others write to, as write_block leaves them.
our_block() { awk -v start="$BLOCK_START" -v end="$BLOCK_END" '$0 == end {inside = 0} inside {print} $0 == start {inside = 1}' "$1"; }

found_now() {
  local records="$1" kind name value digest files=() _
  while IFS=$'\t' read -r _ kind name value; do
    case "$kind" in
      file) if [ -f "$name" ]; then files+=("$name"); fi ;;
      unit) printf 'unit\t%s\t%s\n' "$name" "$(unit_is "$value" "$name")" ;;
      block)
        [ -f "$name" ] || continue
        read -r digest _ < <(our_block "$name" | sha256sum)
        printf 'block\t%s\t%s\n' "$name" "$digest"
        ;;
      sysctl)
        content "/proc/sys/${name//.//}"
        printf 'sysctl\t%s\t%s\n' "$name" "${REPLY//$'\t'/ }"
        ;;
      module) if [ -d "/sys/module/${name//-/_}" ] || grep -qs "^${name//-/_} " /proc/modules; then printf 'module\t%s\tloaded\n' "$name"; fi ;;
    esac
  done <<<"$records"
  if [ "${#files[@]}" -gt 0 ]; then
    sha256sum "${files[@]}" | while read -r digest name; do printf 'file\t%s\t%s\n' "${name#\*}" "$digest"; done
  fi
}

# unit_is STATE NAME: the state when the unit is in it; active or enabled.
unit_is() { if systemctl "is-$1" --quiet "$2" 2>/dev/null; then printf '%s' "$1"; else printf 'not-%s' "$1"; fi; }
