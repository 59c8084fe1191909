// SPDX-License-Identifier: Apache-2.0

//go:build unix

package workflows

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rhysd/actionlint"
)

// script is what the first step of a job runs whose name begins with a word.
func script(t *testing.T, workflow, job, word string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, workflow))
	if err != nil {
		t.Fatal(err)
	}
	w, errs := actionlint.Parse(text)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, step := range w.Jobs[job].Steps {
		if run, ok := step.Exec.(*actionlint.ExecRun); ok && step.Name != nil && strings.HasPrefix(step.Name.Value, word) {
			return run.Run.Value
		}
	}
	t.Fatalf("%s: job %s has no step %s", workflow, job, word)
	return ""
}

// The tag latest of npm never goes back: who runs npx gets no older version
// because somebody repairs one.
func TestLatestOfNpm(t *testing.T) {
	publish := script(t, "release.yml", "npm", "publish")
	for _, test := range []struct{ version, latest, want string }{
		{"0.1.0", "", "latest"},
		{"0.2.0", "0.1.0", "latest"},
		{"0.10.0", "0.9.9", "latest"},
		{"0.1.1", "0.2.0", "previous"},
		{"0.9.9", "0.10.0", "previous"},
		{"0.3.0-rc.1", "0.2.0", "next"},
		{"0.3.0", "0.3.0-rc.1", "latest"},
	} {
		work := t.TempDir()
		for name, text := range map[string]string{
			"bin/npm": `#!/bin/sh
case "$1 $3" in
"view dist-tags.latest") [ -n "$LATEST" ] && echo "$LATEST" ;;
"view version") exit 1 ;;
publish*) echo "$2 ${7}" >>published ;;
esac
`,
			"bin/node":             "#!/bin/sh\nexec cat\n",
			"package/package.json": "shproxy",
		} {
			file := filepath.Join(work, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Mkdir(filepath.Join(work, "npm"), 0o755); err != nil {
			t.Fatal(err)
		}
		files := []string{"mcp-oauth-gateway-shproxy-linux-x64-" + test.version, "shproxy-" + test.version}
		var want string
		for _, name := range files {
			if out, err := exec.Command("tar", "-C", work, "-czf", filepath.Join(work, "npm", name+".tgz"), "package").CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			want += "./npm/" + name + ".tgz " + test.want + "\n"
		}
		cmd := exec.Command("bash", "-e", "-c", publish) // as GitHub does
		cmd.Dir = work
		cmd.Env = append(os.Environ(), "PATH="+filepath.Join(work, "bin")+":"+os.Getenv("PATH"), "TAG=shproxy/v"+test.version, "LATEST="+test.latest)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%+v: %v\n%s", test, err, out)
			continue
		}
		if got, err := os.ReadFile(filepath.Join(work, "published")); err != nil || string(got) != want {
			t.Errorf("%+v: published %v\n%swant\n%s", test, err, got, want)
		}
	}
}
