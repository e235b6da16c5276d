module render

go 1.26
