// One picture of AV1, decoded to planes: what internal/av1 calls.
#include <stdint.h>
#include <stdlib.h>

#include "dav1d/dav1d.h"

#define EXPORT(name) __attribute__((export_name(name)))

static Dav1dPicture picture;

EXPORT("alloc") void *alloc(size_t n) { return malloc(n); }

static void keep(const uint8_t *data, void *cookie) {}

// decode decodes the first picture of n bytes of OBUs, of at most limit pixels, of an
// operating point. It returns 0, or dav1d's error.
EXPORT("decode") int decode(const uint8_t *obus, size_t n, unsigned limit, int point) {
    Dav1dSettings s;
    dav1d_default_settings(&s);
    s.n_threads = 1;
    s.max_frame_delay = 1;
    s.all_layers = 0;
    s.operating_point = point;
    s.frame_size_limit = limit;
    Dav1dContext *c;
    int err = dav1d_open(&c, &s);
    if (err) return err;
    Dav1dData data = { 0 };
    err = dav1d_data_wrap(&data, obus, n, keep, NULL);
    while (!err && data.sz) {
        err = dav1d_send_data(c, &data);
        if (err && err != DAV1D_ERR(EAGAIN)) return err;
        err = dav1d_get_picture(c, &picture);
        if (!err) return 0;
        if (err == DAV1D_ERR(EAGAIN) && data.sz) err = 0; // it wants more of the data
    }
    return dav1d_get_picture(c, &picture); // at the end it hands out what it holds
}

// info is width, height, bits, layout (0 gray, 1 4:2:0, 2 4:2:2, 3 4:4:4), matrix, whether
// levels have the full range, primaries or transfer of the picture.
EXPORT("info") int info(int what) {
    switch (what) {
    case 0: return picture.p.w;
    case 1: return picture.p.h;
    case 2: return picture.p.bpc;
    case 3: return picture.p.layout;
    case 4: return picture.seq_hdr->mtrx;
    case 5: return picture.seq_hdr->color_range;
    case 6: return picture.seq_hdr->pri;
    case 7: return picture.seq_hdr->trc;
    }
    return -1;
}

// plane is where plane k begins, stride how many bytes are from one of its rows to the next.
EXPORT("plane") const void *plane(int k) { return picture.data[k]; }
EXPORT("stride") int stride(int k) { return (int)picture.stride[k > 0]; }
