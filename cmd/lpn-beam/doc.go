// Lpn-beam restores archives of pictures on many machines: the restoration of lpn
// restore, as an Apache Beam pipeline.
//
//	lpn-beam restore --input 'photos/*.png' --output clean/ --noise auto
//
// Without further flags it runs in this process, on Beam's Prism runner. With --runner
// flink --endpoint HOST:PORT and Beam's other flags it runs on a cluster; docs/scale.md
// shows how.
//
// # The pipeline
//
//	patterns -> files -> keyed by their output -> joined with what is done already
//	  -> restored ------------------------------------------------> records
//	  -> giant pictures, mapped: windows -> solved -> keyed by their output -> joined -> records
//	records -> manifest.jsonl, failed.jsonl
//
// An element is a file. What fails becomes a record with its reason, in failed.jsonl,
// and never stops the job. A runner may do anything twice: outputs are functions of
// inputs and settings, are written under a temporary name and renamed, and every record
// has its output for key, so nothing is doubled. A record is also kept in a journal as
// soon as a worker has made a few of them, so a job that was killed goes on where it
// was.
package main
