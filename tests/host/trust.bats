#!/usr/bin/env bats
# The site's certificates are trusted by what reads the host's store.
load helper

setup() {
  needs prepare
  case "$(family)" in
    debian) directory=/usr/local/share/ca-certificates bundle=/etc/ssl/certs/ca-certificates.crt ;;
    redhat) directory=/etc/pki/ca-trust/source/anchors bundle=/etc/pki/tls/certs/ca-bundle.crt ;;
    suse) directory=/etc/pki/trust/anchors bundle=/etc/ssl/ca-bundle.pem ;;
  esac
}

certificates() { find "$directory" -name 'onprem-mlops-*' -type f; }

is_trusted() { openssl verify -partial_chain -CAfile "$bundle" "$1"; }

is_single() { [ "$(grep -c 'BEGIN CERTIFICATE' "$1")" = 1 ]; }

@test "the site's certificates lie in the drop directory, one a file" {
  certificates | all_true is_single
}

@test "each of them is trusted by the system's bundle" {
  certificates | all_true is_trusted
}

@test "public authorities are still trusted beside them" {
  [ "$(grep -c 'BEGIN CERTIFICATE' "$bundle")" -gt 50 ]
}
