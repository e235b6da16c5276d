package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestOperatorsAreNotComparedByName fails where a package other than operators compares
// Spec.Name() with a word. What an operator needs is a property of operators.Spec or a
// row of the table in lpn/restore/policy.go.
func TestOperatorsAreNotComparedByName(t *testing.T) {
	named := func(e ast.Expr) bool {
		call, ok := e.(*ast.CallExpr)
		if !ok || len(call.Args) != 0 {
			return false
		}
		f, ok := call.Fun.(*ast.SelectorExpr)
		return ok && f.Sel.Name == "Name"
	}
	word := func(e ast.Expr) bool {
		l, ok := e.(*ast.BasicLit)
		return ok && l.Kind == token.STRING
	}
	eachFile(t, func(path string, set *token.FileSet, f *ast.File) {
		if strings.HasPrefix(path, "operators/") {
			return
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				if (n.Op == token.EQL || n.Op == token.NEQ) && (named(n.X) && word(n.Y) || named(n.Y) && word(n.X)) {
					t.Errorf("%v compares Name() with a word", set.Position(n.Pos()))
				}
			case *ast.SwitchStmt:
				if n.Tag != nil && named(n.Tag) {
					t.Errorf("%v switches on Name()", set.Position(n.Pos()))
				}
			}
			return true
		})
	})
}

// TestACommandHasAFile fails where a file of cmd/lpn defines two commands.
func TestACommandHasAFile(t *testing.T) {
	eachFile(t, func(path string, set *token.FileSet, f *ast.File) {
		if filepath.Dir(path) != "cmd/lpn" {
			return
		}
		var commands []string
		for _, d := range f.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasSuffix(f.Name.Name, "Command") {
				commands = append(commands, f.Name.Name)
			}
		}
		if len(commands) > 1 {
			t.Errorf("%s defines %s: want a file for each", path, strings.Join(commands, " and "))
		}
	})
}

// TestLiteralsAreKeyed fails where the command writes a struct of five fields or more
// without their names: such a line is read by counting.
func TestLiteralsAreKeyed(t *testing.T) {
	eachFile(t, func(path string, set *token.FileSet, f *ast.File) {
		if filepath.Dir(path) != "cmd/lpn" {
			return
		}
		ast.Inspect(f, func(n ast.Node) bool {
			l, ok := n.(*ast.CompositeLit)
			if !ok || len(l.Elts) < 5 {
				return true
			}
			switch l.Type.(type) {
			case *ast.Ident, *ast.SelectorExpr:
				if _, keyed := l.Elts[0].(*ast.KeyValueExpr); !keyed {
					t.Errorf("%v: a literal of %d fields without their names", set.Position(l.Pos()), len(l.Elts))
				}
			}
			return true
		})
	})
}

// eachFile parses the module's Go files except its tests.
func eachFile(t *testing.T, do func(path string, set *token.FileSet, f *ast.File)) {
	const root = "../.."
	files := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && path != root || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			return err
		}
		files++
		do(filepath.ToSlash(rel), set, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 100 {
		t.Fatalf("%d files: not the module", files)
	}
}
