// Package serve offers packages lpn/restore and lpn/explore over HTTP, to a page or a
// program: clients send pictures, and get restorations and the values of a prior.
//
// A Server is an http.Handler:
//
//	s := serve.New(serve.Config{})
//	l, err := net.Listen("tcp", "127.0.0.1:0")
//	...
//	fmt.Println(s.Address(l.Addr()))
//	err = s.Serve(ctx, l)
//
// # Restoring in one request
//
//	curl -F image=@noisy.png -F 'options={"noise":"25/255"}' ADDRESS/api/v1/restore > clean.png
//
// Options have the names of the flags of lpn restore. With "Accept: application/json"
// the answer is the object that lpn restore --json prints, with the URL of the picture.
// With "Accept: text/event-stream" it is a stream of server-sent events: "plan" with
// the decisions, "iterate" for each iteration, and at the end "result" or "error".
// Closing the connection cancels the work in every form.
//
// # The interface, version 1
//
// Bodies are JSON unless the list says otherwise; the types of this package are their
// fields, and an unknown field is an error. An error is an object with the field
// "error", one line, under the status 400 (wrong), 401 (no token), 403 (from another
// site), 404 (not there, or dropped to make room), 413 (too large), 421 (not this
// machine's name), 422 (cannot be done) or 429 (too many wait; try again).
//
//	POST   /api/v1/pictures               a picture: form with the file "image", the file itself, or {"file": NAME} -> PictureInfo
//	GET    /api/v1/pictures/ID            -> PictureInfo
//	DELETE /api/v1/pictures/ID            forgets it
//	GET    /api/v1/pictures/ID/file       as a file, ?format=png|jpeg|tiff|npy|... &bits= &quality=
//	GET    /api/v1/pictures/ID/tiles/L/X/Y  a tile of TileSide pixels at 1/2^L of the size, PNG
//	POST   /api/v1/plan                   Request -> Planned
//	POST   /api/v1/restore                Request, or a form with image and options -> the picture, Restored, or events
//	POST   /api/v1/look                   Look -> a part of it at a strength, PNG or events, at once
//	POST   /api/v1/prior/value            Question -> explore.ValueResult
//	POST   /api/v1/prior/map              MapQuestion -> MapAnswer
//	POST   /api/v1/prior/path             PathQuestion -> PathAnswer
//	POST   /api/v1/prior/slice            SliceQuestion -> SliceAnswer
//	POST   /api/v1/prior/curve            CurveQuestion -> CurveAnswer
//	POST   /api/v1/prior/verify           {"prior": NAME} -> Verified
//	POST   /api/v1/changed                ChangedQuestion -> the picture at a level of a path, PNG
//	GET    /api/v1/results/ID/figure      a map, path, slice, curve, trace or spectrum: ?format=svg|pdf|png|csv|npz
//	GET    /api/v1/results/ID/at          the picture at a point of a slice, ?a=A&b=B, PNG
//	GET    /api/v1/priors                 -> a list of PriorInfo
//	GET    /api/v1/files                  the pictures in the folder
//	GET    /api/v1/training               the logs of trainings in the folder, or one: ?name=NAME -> Training
//	GET    /api/v1/training/figure        its curves: ?name=NAME&format=svg|pdf|png|csv
//	GET    /api/v1/about                  the version and the limits
//	GET    /healthz                       {"status":"ok"}
//	GET    /metrics                       counters and gauges in Prometheus' text format
//
// # What a client cannot do
//
// A request must name this machine in Host, must not come from a page of another site,
// and needs the token if one is set (see Config). The server reads only pictures and
// logs inside Config.Folder, and writes nothing. Pictures and results stay in memory
// under ids that cannot be guessed, within Config.Store bytes. They are dropped after
// Config.Keep, or when room is needed, first those of the client with the most. A file
// is decoded within the limits of package internal/imageio and only if its header
// promises no more samples than there is room for. Work waits in queues that serve
// addresses in turn, and also the clients of one address, which name themselves in the
// header Lpn-Client. A turn begins when a request has come whole and ends before its
// answer is sent, so a slow client holds up no other.
package serve
