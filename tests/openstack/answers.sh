#!/bin/bash
# answers.sh URL: waits until a service answers there.
for _ in $(seq 240); do
	python3 - "$1" <<-'END' 2>/dev/null && exit
		import sys, urllib.error, urllib.request
		try:
		    urllib.request.urlopen(sys.argv[1], timeout=10)
		except urllib.error.HTTPError as error:
		    sys.exit(error.code >= 500)
	END
	sleep 0.5
done
echo "nothing answers at $1" >&2
exit 1
