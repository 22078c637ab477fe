#!/usr/bin/env bats
# What the steps wrote down is what is there: `mlops doctor --drift` compares by it.
load helper

is_as_recorded() { [ -f "$1" ] && [ "$(digest <"$1")" = "$2" ]; }

block_is_as_recorded() {
  [ "$(sed -n '/^# onprem-mlops: begin$/,/^# onprem-mlops: end$/{/^# onprem-mlops: /d;p}' "$1" | digest)" = "$2" ]
}

unit_is_as_recorded() { systemctl is-"$2" --quiet "$1"; }

@test "every step that writes has a record, for root only" {
  for step in $STEPS; do
    [ -s "$RECORDS/$step" ]
    [ "$(stat -c '%a %U' "$RECORDS/$step")" = '600 root' ]
  done
}

@test "no record is half written" {
  run find "$RECORDS" -name '.*' -type f
  [ "$output" = '' ]
}

@test "records are of this machine" {
  for step in $STEPS; do grep -qx "machine"$'\t'"$(cat /etc/machine-id)" "$RECORDS/$step"; done
}

@test "recorded files are as they were written" {
  recorded file | all_true is_as_recorded
}

@test "recorded blocks are as they were written" {
  [ -n "$(recorded block)" ] || skip 'no block is recorded: a site without a proxy'
  recorded block | all_true block_is_as_recorded
}

@test "recorded units are as they were left" {
  [ -n "$(recorded unit)" ] || skip 'no unit is recorded'
  recorded unit | all_true unit_is_as_recorded
}
