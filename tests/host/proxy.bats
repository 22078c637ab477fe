#!/usr/bin/env bats
# Whatever goes outside knows the proxy; a site without a proxy has no trace of one.
load helper

setup() {
  needs prepare
  block=$(sed -n '/^# onprem-mlops: begin$/,/^# onprem-mlops: end$/p' /etc/environment)
}

# variable NAME: its value in our block, without quotes
variable() { sed -n "s/^$1=\"\\(.*\\)\"\$/\\1/p" <<<"$block"; }

has_proxy() { [ -n "$block" ] || skip 'the site has no proxy'; }

package_configuration() {
  case "$(family)" in
    debian) cat /etc/apt/apt.conf.d/*onprem-mlops* ;;
    redhat) cat /etc/dnf/dnf.conf ;;
    suse) cat /etc/sysconfig/proxy ;;
  esac 2>/dev/null
}

@test "upper and lower case say the same" {
  has_proxy
  for name in HTTP_PROXY HTTPS_PROXY NO_PROXY; do
    [ -n "$(variable "$name")" ]
    [ "$(variable "$name")" = "$(variable "${name,,}")" ]
  done
}

@test "the host itself, this machine and the cluster are reached without it" {
  has_proxy
  for name in 127.0.0.1 localhost .svc "$HOST_NAME"; do
    [[ ",$(variable NO_PROXY)," = *",$name,"* ]]
  done
}

@test "the package manager goes through it" {
  has_proxy
  proxy=$(variable HTTPS_PROXY)
  address=${proxy##*@}
  package_configuration | grep -qF "${address#*://}"
}

@test "a password in it is for root only" {
  has_proxy
  [[ "$(variable HTTPS_PROXY)" = *:*@* ]] || skip 'the proxy asks for no password'
  for file in $(recorded file | cut -f 1) /etc/environment; do
    if grep -qF "$(variable HTTPS_PROXY | sed 's,.*//\(.*\)@.*,\1,')" "$file"; then [[ "$(stat -c %a "$file")" = *00 ]]; fi
  done
}

@test "without a proxy nothing speaks of one" {
  [ -z "$block" ] || skip 'the site has a proxy'
  run package_configuration
  [[ "$output" != *onprem-mlops* ]]
}
