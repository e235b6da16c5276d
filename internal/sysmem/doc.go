// Package sysmem says how much memory the program may still take, and reads
// and writes sizes in bytes as people do.
package sysmem
