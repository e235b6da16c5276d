#!/usr/bin/env bash
# The smallest real Flink cluster, on loopback: a job manager, two task managers and
# Beam's job server, from Maven's jars, without Docker. Needs Java 17 and Maven.
#
#	cluster.sh start DIR    fetch the jars into DIR and start; logs and process ids go there
#	cluster.sh task DIR N   start task manager N again
#	cluster.sh stop DIR     stop what start started
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
command=${1:?start, task or stop} dir=${2:?a folder}
mkdir -p "$dir"
cd "$dir"

opens=()
for p in lang lang.reflect net io nio util util.concurrent text time; do
	opens+=("--add-opens=java.base/java.$p=ALL-UNNAMED")
done

# launch NAME CLASS ARGUMENT... starts a class in the background.
launch() {
	local name=$1
	shift
	FLINK_CONF_DIR=conf nohup java "${opens[@]}" --add-opens=java.base/sun.nio.ch=ALL-UNNAMED -Xmx512m \
		-cp 'lib/*' "$@" >"$name.log" 2>&1 </dev/null &
	echo $! >"$name.pid"
}

task() { launch "task$1" org.apache.flink.runtime.taskexecutor.TaskManagerRunner --configDir conf -D "taskmanager.resource-id=task$1"; }

# overview prints what the job manager says of the cluster, nothing while it is away.
overview() { (exec 3<>/dev/tcp/127.0.0.1/8081 && printf 'GET /overview HTTP/1.0\r\n\r\n' >&3 && cat <&3) 2>/dev/null || true; }

case $command in
start)
	[ -d lib ] || mvn -q -f "$here/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$PWD/lib"
	mkdir -p conf
	cp "$here/flink-conf.yaml" conf/
	launch jobmanager org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint --configDir conf
	task 1
	task 2
	launch jobserver org.apache.beam.runners.flink.FlinkJobServerDriver --flink-master 127.0.0.1:8081 --flink-conf-dir conf \
		--job-host 127.0.0.1 --job-port 8099 --artifact-port 8098 --expansion-port 8097
	for _ in $(seq 300); do
		if overview | grep -q '"taskmanagers":2' && grep -q 'JobService started' jobserver.log; then
			echo "a job manager, 2 task managers and the job server are up"
			exit
		fi
		sleep 1
	done
	echo "not up after 300 s: see the logs in $PWD" >&2
	exit 1
	;;
task) task "${3:?its number}" ;;
stop)
	for pid in *.pid; do
		kill "$(cat "$pid")" 2>/dev/null || true
		rm "$pid"
	done
	;;
*)
	echo "$0: $command: want start, task or stop" >&2
	exit 2
	;;
esac
