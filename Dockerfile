# The small command, alone in an image: it needs no libraries, no shell and no network.
#
#     docker build -t lpn .
#     docker run --rm -v "$PWD:/work" lpn restore noisy.png -o clean.png
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -tags small -trimpath -ldflags="-s -w -buildid=" -o /lpn ./cmd/lpn

FROM scratch
COPY --from=build /lpn /lpn
WORKDIR /work
ENTRYPOINT ["/lpn"]
