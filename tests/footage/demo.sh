#!/bin/sh
# The main job on the footage in this folder: ingest, then searches whose answers are printed.
set -eu
here=$(dirname "$0")

run() {
    printf '\n$ earwitness'
    for word in "$@"; do case $word in *' '*) printf " '%s'" "$word" ;; *) printf ' %s' "$word" ;; esac; done
    printf '\n'
    "$BIN/earwitness" --data "$DATA" "$@"
}

run ingest "$here" --manifest "$here/manifest.csv"
run status

echo; echo "--- an exact phrase: these words in this order, and every place they were said"
run search '"proof of insurance"'
echo; echo "--- a paraphrase: not one of these words was spoken"
run search "nothing remaining of the shots for her sugar disease" --limit 2
echo; echo "--- a name that was written down in another way; what the question was taken for, and what each leg adds"
run search "Officer Okafor" --limit 2 --explain
echo; echo "--- Officer Kowalczyk, spelt by somebody who only heard the name; by sound alone"
run search "Kovalchick" --mode sounds --limit 1
echo; echo "--- a number as it was said; it was written down in digits"
run search "forty-two hundred block" --limit 1
echo; echo "--- an English question; the only answer was given in Spanish"
run search "stolen gold ring with a green stone" --limit 2
echo; echo "--- something nobody said: no hits, and what was searched"
run search '"helicopter with a searchlight"'

printf '\nThe archive is in %s. Ask it something: %s/earwitness --data %s search "…"\n' "$DATA" "$BIN" "$DATA"
printf 'Or on a page: %s/earwitness --data %s serve, then open http://127.0.0.1:8000\n' "$BIN" "$DATA"
