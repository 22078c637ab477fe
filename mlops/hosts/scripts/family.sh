# What differs between families of operating systems, behind one set of names. family-debian.sh, family-redhat.sh and family-suse.sh define
# each name with the family in front; use_family chooses. Constants of a family: TRUST_DIRECTORY TRUST_SUFFIX TRUST_BUNDLE TRUST_TOOL
# (a command that is there when the trust store can be updated) SNAPD_UNITS.
SUPPORTED='Ubuntu 22.04, 24.04, 26.04; Debian 12, 13; RHEL, Rocky Linux, AlmaLinux 9 (10 as an experiment); openSUSE Leap 15.6 (SLES 15 SP6 and SP7 as an experiment)'

release_value() {
  # shellcheck disable=SC1091 # a file of the host's
  (. /etc/os-release && printf '%s' "${!1-}")
}

family() {
  case "$(release_value ID)" in
    debian | ubuntu) printf debian ;;
    rhel | rocky | almalinux) printf redhat ;;
    opensuse-leap | sles) printf suse ;;
    *) printf unsupported ;;
  esac
}

# How far this release can be relied on: supported, experimental or unsupported.
release_support() {
  case "$(release_value ID):$(release_value VERSION_ID)" in
    ubuntu:22.04 | ubuntu:24.04 | ubuntu:26.04 | debian:12 | debian:13 | opensuse-leap:15.6) printf supported ;;
    rhel:9 | rhel:9.* | rocky:9 | rocky:9.* | almalinux:9 | almalinux:9.*) printf supported ;;
    rhel:10 | rhel:10.* | rocky:10 | rocky:10.* | almalinux:10 | almalinux:10.* | sles:15.6 | sles:15.7) printf experimental ;;
    *) printf unsupported ;;
  esac
}

# use_family EXPECTED: FAMILY and its constants; refuses a release that nobody has tried, and another family than the settings say (auto: any).
use_family() {
  FAMILY=$(family)
  case "$(release_support)" in
    unsupported) fail "operating system '$(release_value PRETTY_NAME)'" "$SUPPORTED" 'install one of these' ;;
    experimental) say "warning: $(release_value PRETTY_NAME) is supported as an experiment only" ;;
  esac
  if [ "$1" != auto ] && [ "$1" != "$FAMILY" ]; then
    fail "operating system family '$FAMILY'" "'$1', as the settings say" "set osFamily of this host to auto or '$FAMILY'"
  fi
  "${FAMILY}_constants"
}

has_package() { "${FAMILY}_has_package" "$1"; }

# install_packages NAME...: packages that are missing; nothing when all are there.
install_packages() {
  local name missing=()
  for name in "$@"; do
    has_package "$name" || missing+=("$name")
  done
  if [ "${#missing[@]}" -gt 0 ]; then "${FAMILY}_install" "${missing[@]}"; fi
}

update_trust() { "${FAMILY}_update_trust"; }

# Writes the package manager's proxy, or takes it away when there is none. Values: PLAIN_PROXY TLS_PROXY DIRECT PROXY_MODE
configure_package_proxy() { "${FAMILY}_configure_package_proxy"; }

# Adds the package source of snapd where no source has it.
add_snapd_source() { "${FAMILY}_add_snapd_source"; }

# Names of packages that may hold modules which the running kernel came without, one a line.
module_packages() { "${FAMILY}_module_packages"; }
