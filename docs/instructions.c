// Counts the instructions that a program executes under qemu-user, by function, for
// machines that are not at hand. It is a plugin for qemu 7.2 and later:
//
//	cc -O2 -shared -fPIC -o instructions.so instructions.c
//	GOARCH=arm64 go test -c ./lpn
//	GOMAXPROCS=1 qemu-aarch64 -plugin ./instructions.so lpn.test -test.run - -test.bench Eval/natural/128 -test.benchtime 1x
//
// Debian's qemu-user takes plugins, its qemu-user-static does not. The declarations
// are those of qemu-plugin.h, which is not packaged.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t id_t64;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const char *qemu_plugin_insn_symbol(const struct qemu_plugin_insn *);
void qemu_plugin_register_vcpu_tb_trans_cb(id_t64, void (*)(id_t64, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int add, void *, uint64_t);
void qemu_plugin_register_atexit_cb(id_t64, void (*)(id_t64, void *), void *);

int qemu_plugin_version = 1;

static struct function {
	const char *name;
	uint64_t count;
} functions[1 << 14];

static struct function *named(const char *name) {
	size_t h = 5381;
	for (const char *c = name; *c; c++)
		h = h * 33 + *c;
	struct function *f;
	for (;; h++) {
		f = &functions[h % (1 << 14)];
		if (!f->name)
			f->name = strdup(name);
		if (!strcmp(f->name, name))
			return f;
	}
}

static void translated(id_t64 id, struct qemu_plugin_tb *tb) {
	const char *name = qemu_plugin_insn_symbol(qemu_plugin_tb_get_insn(tb, 0));
	qemu_plugin_register_vcpu_tb_exec_inline(tb, 0, &named(name && *name ? name : "?")->count, qemu_plugin_tb_n_insns(tb));
}

static int falling(const void *a, const void *b) {
	uint64_t x = ((struct function *)a)->count, y = ((struct function *)b)->count;
	return (x < y) - (x > y);
}

static void finish(id_t64 id, void *unused) {
	uint64_t total = 0;
	qsort(functions, 1 << 14, sizeof *functions, falling);
	for (int i = 0; i < 1 << 14 && functions[i].count; i++) {
		fprintf(stderr, "%15" PRIu64 " %s\n", functions[i].count, functions[i].name);
		total += functions[i].count;
	}
	fprintf(stderr, "%15" PRIu64 " in all\n", total);
}

int qemu_plugin_install(id_t64 id, const void *info, int argc, char **argv) {
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, finish, NULL);
	return 0;
}
