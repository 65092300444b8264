#!/bin/sh
# Check the receipt of one exhibit with sha256sum, openssl (3.0 or later) and the small POSIX tools.
#
#     sh VERIFY.sh FOLDER FILE [VKEY]
#
# FOLDER is what `strongroom log receipt` wrote, FILE the exhibit. VKEY is the verifier key of the log as you got it
# from elsewhere (in person, in print, from an earlier case); without it only the key in FOLDER/policy is believed.
# Exit status: 0 all good, 2 wrong usage, 3 something is not there, 6 the policy asks for witnesses (not checked here),
# 20 the file is another one, 21 the receipt is wrong.
# Nothing is written but a scratch folder, which is removed. No network, no root, nothing of strongroom is needed.
#
# ON PAPER. Each step below says what it shows, so the same can be done by hand, in this order, with a calculator that
# knows SHA-256 and Ed25519:
#   1  SHA-256 of FILE is the digest in the payload (base64) of entry.json, whose type is master.defined.
#   2  entry-0.json is log.opened: it names the log's key, which must be that of `policy`, and the recorder's keys. Each
#      further entry-N.json is key.enrolled: it adds a key. Every entry is signed by a key that is known before it.
#   3  SHA-256(00 entry) is a leaf; with the hashes of the .tlog-proof, SHA-256(01 left right) leads up to the root.
#   4  The three lines of the checkpoint (log, number of entries, root) are signed by the log's key.
set -u
export LC_ALL=C
[ $# -eq 2 ] || [ $# -eq 3 ] || { echo "usage: sh VERIFY.sh FOLDER FILE [VKEY]" >&2; exit 2; }
folder=$1 file=$2 pinned=${3-}
case $folder in -*) folder=./$folder ;; esac
for one in "$file" "$folder/policy" "$folder/entry.json" "$folder/receipt.tlog-proof" \
  "$folder/entry-0.json" "$folder/entry-0.tlog-proof"; do
  [ -f "$one" ] || { echo "BAD     something is not there, or no file: the exhibit, or a part of the receipt"; exit 3; }
done
for tool in sha256sum openssl awk base64 od cmp; do
  command -v "$tool" > /dev/null || { echo "BAD     the tool $tool is not there"; exit 3; }
done
work=$(mktemp -d) || exit 3
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM
worst=0
say() { # status, what it is about, exit status if it is bad
  if [ "$1" -eq 0 ]; then echo "OK      $2"; else echo "BAD     $2"; [ "$3" -le "$worst" ] || worst=$3; fi
}
sha() { sha256sum | cut -c 1-64; }
hex() { od -An -v -tx1 | tr -d ' \n'; }
unhex() { # from hexadecimal digits to bytes
  printf "$(printf %s "$1" | awk '{ for (i = 1; i < length($0); i += 2) {
    d = "0123456789abcdef"; printf "\\%03o", 16 * index(d, substr($0, i, 1)) + index(d, substr($0, i + 1, 1)) - 17 } }')"
}
part() { awk -F '"' -v n="$2" 'NR == 1 { print $n }' "$1"; } # the n-th piece between quotation marks
pick() { sed -n "s/$2/\\1/p" "$work/$1.statement"; }
ed25519() { # key in DER, what is signed, signature
  [ "$(wc -c < "$3")" -eq 64 ] || return 1
  openssl pkeyutl -verify -pubin -keyform DER -inkey "$1" -rawin -in "$2" -sigfile "$3" > /dev/null 2>&1
}

# An entry is one line: {"payload":"...","payloadType":"...","signatures":[{"keyid":"...","sig":"..."}]} and no more.
unpack() { # name: leaves NAME.statement, NAME.sig and NAME.pae (what is signed) in the scratch folder
  : > "$work/$1.statement"; : > "$work/$1.sig"; : > "$work/$1.pae"
  payload=$(part "$folder/$1.json" 4) type=$(part "$folder/$1.json" 8)
  keyid=$(part "$folder/$1.json" 14) signature=$(part "$folder/$1.json" 18)
  printf '{"payload":"%s","payloadType":"%s","signatures":[{"keyid":"%s","sig":"%s"}]}' \
    "$payload" "$type" "$keyid" "$signature" | cmp -s - "$folder/$1.json" || return 1
  printf %s "$payload" | base64 -d > "$work/$1.statement" 2> /dev/null || return 1
  printf %s "$signature" | base64 -d > "$work/$1.sig" 2> /dev/null || return 1
  { printf 'DSSEv1 %d %s %d ' "${#type}" "$type" "$(wc -c < "$work/$1.statement")"
    cat "$work/$1.statement"; } > "$work/$1.pae"
}
keys= # lines "keyid spki"
known() { printf '%s\n' "$keys" | awk -v k="$1" '$1 == k { print $2; exit }'; }
collect() { # the objects on standard input, one to a line: add the Ed25519 keys in them
  more=$(sed -n 's/.*"algorithm":"ed25519",.*"keyid":"\([0-9a-f]*\)",.*"spki":"\([^"]*\)".*/\1 \2/p
s/.*"algorithm":"ed25519","keyid":"\([0-9a-f]*\)","spki":"\([^"]*\)".*/\1 \2/p')
  keys=$(printf '%s\n%s' "$keys" "$more")
}
signed() { # name: by a key that is known so far
  keyid=$(part "$folder/$1.json" 14)
  printf %s "$(known "$keyid")" | base64 -d > "$work/key.der" 2> /dev/null || return 1
  [ "$(sha < "$work/key.der")" = "$keyid" ] && ed25519 "$work/key.der" "$work/$1.pae" "$work/$1.sig"
}
climb() { # name, its proof, its position: from the leaf to the root
  sed '/^$/,$d' "$2" > "$work/path"
  [ "$(sed -n 1p "$work/path")" = "c2sp.org/tlog-proof@v1" ] && [ "$(sed -n 2p "$work/path")" = "index $3" ] || return 1
  last=$(sed -n 2p "$work/checkpoint") at=$3
  case $last$at in *[!0-9]* | ???????????????????????????????????*) return 1 ;; esac
  case $last in '' | 0* | ???????????????????*) return 1 ;; esac
  case $at in '' | 0?* | ???????????????????*) return 1 ;; esac
  last=$((last - 1))
  [ "$at" -le "$last" ] || return 1
  hash=$({ printf '\000'; cat "$folder/$1.json"; } | sha)
  sed 1,2d "$work/path" > "$work/siblings"
  while read -r line; do
    sibling=$(printf %s "$line" | base64 -d 2> /dev/null | hex)
    [ "${#sibling}" -eq 64 ] && [ "$last" -gt 0 ] || return 1
    if [ $((at % 2)) -eq 1 ] || [ "$at" -eq "$last" ]; then
      hash=$(unhex "01$sibling$hash" | sha)
      while [ $((at % 2)) -eq 0 ] && [ "$at" -ne 0 ]; do at=$((at / 2)) last=$((last / 2)); done
    else
      hash=$(unhex "01$hash$sibling" | sha)
    fi
    at=$((at / 2)) last=$((last / 2))
  done < "$work/siblings"
  [ "$last" -eq 0 ] && [ "$(unhex "$hash" | base64)" = "$(sed -n 3p "$work/checkpoint")" ]
}

# 1  The exhibit.
unpack entry; say $? "1  entry.json is one signed statement and nothing else" 21
subject='.*"type":"master\.defined"},"predicateType":"[^"]*","subject":\[{"digest":{"sha256":"\([0-9a-f]*\)"},"name":"item_[0-9A-Z]*"}\]}$'
named=$(pick entry "$subject")
[ "${#named}" -eq 64 ]; say $? "1  it defines one master, with the SHA-256 $named" 21
[ "$(sha < "$file")" = "$named" ]; say $? "1  the file has this SHA-256" 20

# 2  Keys and signatures. Which keys a log has is said by its first entry, and changed by the entries key.enrolled.
vkey=$(sed -n 's/^log //p' "$folder/policy") log=${vkey%%+*}
unpack entry-0; say $? "2  entry-0.json is one signed statement too" 21
[ "$(pick entry-0 '.*"log_vkey":"\([^"]*\)".*')" = "$vkey" ] && [ -n "$(pick entry-0 '.*\("type":"log\.opened"\)},.*')" ]
say $? "2  it opens the log whose key stands in policy" 21
pick entry-0 '.*"recorder_keys":\[\([^]]*\)\].*' | tr '}' '\n' > "$work/objects"
collect < "$work/objects"
signed entry-0; say $? "2  it is signed by a recorder key that it names" 21
sed '1,/^$/d' "$folder/receipt.tlog-proof" > "$work/checkpoint"
sed '1,/^$/d' "$folder/entry-0.tlog-proof" | cmp -s - "$work/checkpoint"; say $? "3  the receipts end in one checkpoint" 21
climb entry-0 "$folder/entry-0.tlog-proof" 0; say $? "3  entry-0.json is the first entry of its tree" 21
place=$(pick entry '.*,"seq":\([0-9]*\),"software":{.*')
for seq in $(ls "$folder" | sed -n 's/^entry-\([1-9][0-9]*\)\.json$/\1/p' | sort -n); do
  name=entry-$seq
  unpack "$name" && [ "$(pick "$name" '.*,"seq":\([0-9]*\),"software":{.*')" = "$seq" ] && [ "$seq" -lt "${place:-0}" ] &&
    [ "$(pick "$name" '.*,"log":"\([^"]*\)","prev":".*')" = "$log" ] &&
    signed "$name" && sed '1,/^$/d' "$folder/$name.tlog-proof" | cmp -s - "$work/checkpoint" &&
    climb "$name" "$folder/$name.tlog-proof" "$seq" && [ -n "$(pick "$name" '.*\("type":"key\.enrolled"\)},.*')" ] &&
    [ -n "$(pick "$name" '.*\("purpose":"recorder"\).*')" ]
  status=$?
  say $status "2  $name.json enrols one more recorder key" 21
  [ $status -ne 0 ] || collect < "$work/$name.statement"
done
signed entry; say $? "2  entry.json is signed by a recorder key of this log" 21

# 3  The place in the log.
climb entry "$folder/receipt.tlog-proof" "$place"; say $? "3  entry.json stands in the tree, where it says (${place:-nowhere})" 21

# 4  The checkpoint and the key of the log: name+8 digits+base64(01 key). The digits begin SHA-256(name, line end, 01 key).
rest=${vkey#*+} id=${rest%%+*}
printf %s "${rest#*+}" | base64 -d > "$work/raw" 2> /dev/null
[ "$(wc -c < "$work/raw")" -eq 33 ] && [ "$(head -c 1 "$work/raw" | hex)" = 01 ] &&
  [ "$({ printf '%s\n' "$log"; cat "$work/raw"; } | sha | cut -c 1-8)" = "$id" ]; say $? "4  the key in policy is whole" 21
{ unhex 302a300506032b6570032100; tail -c 32 "$work/raw"; } > "$work/log.der"
sed -n 1,3p "$work/checkpoint" > "$work/text"
awk -v n="$log" 'NR > 4 && NF == 3 && $2 == n { print $3 }' "$work/checkpoint" > "$work/lines"
status=1
while read -r line; do # other lines of this name may be of other keys: their first four bytes differ
  printf %s "$line" | base64 -d > "$work/blob" 2> /dev/null
  [ "$(head -c 4 "$work/blob" | hex)" = "$id" ] || continue
  tail -c +5 "$work/blob" > "$work/note.sig"
  ed25519 "$work/log.der" "$work/text" "$work/note.sig"; status=$?
  [ $status -eq 0 ] || break
done < "$work/lines"
[ $status -eq 0 ] && [ -z "$(sed -n 4p "$work/checkpoint")" ]; say $? "4  the log signed the checkpoint" 21
[ "$(sed -n 1p "$work/text")" = "$log" ] && [ "$(pick entry '.*,"log":"\([^"]*\)","prev":".*')" = "$log" ] &&
  [ "$(pick entry-0 '.*,"log":"\([^"]*\)","prev":".*')" = "$log" ]; say $? "4  entries and checkpoint are of this log" 21
if [ -n "$pinned" ]; then
  [ "$pinned" = "$vkey" ]; say $? "4  it is the log whose key you gave" 21
else
  echo "NOTE    compare this key with one that you got from elsewhere: $vkey" | tr -cd ' -~\n'
fi
case $(sed -n 's/^quorum //p' "$folder/policy") in
  none) ;;
  *) echo "UNCHECKED  policy asks for witnesses, which this script does not check: verify_evidence.py does"
    [ "$worst" -ne 0 ] || worst=6 ;;
esac
case $worst in
  0) echo "ALL OK" ;;
  6) echo "NOT ALL CHECKED: see the line that says UNCHECKED" ;;
  20) echo "NOT OK: the file is not the one that was recorded" ;;
  *) echo "NOT OK: the receipt is wrong, see the lines that say BAD" ;;
esac
exit "$worst"
