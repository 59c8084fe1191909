// SPDX-License-Identifier: Apache-2.0

//go:build linux

package deploycheck

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// TestKubernetesRuns runs what the pods run.
func TestKubernetesRuns(t *testing.T) {
	path := bin(t)
	dir := copyOf(t, "kubernetes")
	runShell(t, filepath.Join(dir, "overlay"), path, shellBlock(t, filepath.Join(dir, "README.md"), 0))
	c := buildCluster(t, dir)
	net := newAddresses()
	at := map[string][]string{} // addresses of the pods
	for _, w := range c.workloads() {
		pods := int32(1)
		if w.replicas != nil {
			pods = *w.replicas
		}
		for _, s := range c.scalers {
			if s.Spec.ScaleTargetRef.Name == w.name {
				pods = *s.Spec.MinReplicas
			}
		}
		for range pods {
			at[w.name] = append(at[w.name], net.next())
		}
	}
	g := &gateway{bin: path, page: newPage(t)}
	backends := map[string][]string{}
	for _, r := range c.routes {
		backend := r.Spec.Rules[0].BackendRefs[0]
		for _, addr := range at[string(backend.Name)] {
			host := string(r.Spec.Hostnames[0])
			backends[host] = append(backends[host], addr+":"+strconv.Itoa(int(*backend.Port)))
		}
	}
	g.front = newFront(t, net.next()+":8443", backends)
	// Pods start in any order, and again until they are well; here those that
	// others need come first.
	for _, name := range []string{"auth-store", "directory", "oauthdyn", "shproxy", "fetchserver"} {
		for _, addr := range at[name] {
			g.commands = append(g.commands, c.command(t, c.workload(name), addr, at, g))
		}
	}
	g.play(t)
}

// command is what the container of a pod runs, with its volumes in a temporary
// directory.
func (c *cluster) command(t *testing.T, w workload, addr string, at map[string][]string, g *gateway) command {
	t.Helper()
	base := t.TempDir()
	container := w.template.Spec.Containers[0]
	names := map[string]string{"=0.0.0.0": "=" + addr, " 0.0.0.0": " " + addr}
	for other, addrs := range at {
		if c.services[other] != nil {
			names["//"+other+":"] = "//" + addrs[0] + ":"
		}
	}
	for _, mount := range container.VolumeMounts {
		dir := filepath.Join(base, mount.MountPath)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		names[mount.MountPath] = dir
		for _, v := range w.template.Spec.Volumes {
			if v.Name == mount.Name {
				c.fill(t, dir, v)
			}
		}
	}
	mapped := replacer(names)
	vars := map[string]string{}
	for _, source := range container.EnvFrom {
		for name, value := range c.configMaps[source.ConfigMapRef.Name].Data {
			vars[name] = value
		}
	}
	for _, v := range container.Env {
		switch {
		case v.ValueFrom == nil:
			vars[v.Name] = mapped.Replace(v.Value)
		case v.ValueFrom.FieldRef != nil && v.ValueFrom.FieldRef.FieldPath == "status.podIP":
			vars[v.Name] = addr
		case v.ValueFrom.ConfigMapKeyRef != nil:
			ref := v.ValueFrom.ConfigMapKeyRef
			vars[v.Name] = c.configMaps[ref.Name].Data[ref.Key]
		default:
			t.Errorf("%s: %s comes from somewhere else", w.name, v.Name)
		}
	}
	cmd := command{name: w.name + " " + addr, dir: base, grace: time.Duration(*w.template.Spec.TerminationGracePeriodSeconds) * time.Second}
	if program := programOf(container.Image); program != "" {
		cmd.args = []string{program} // the entry point of the image
	}
	for _, arg := range append(container.Command, container.Args...) {
		// Kubernetes leaves $(NAME) alone if there is no such variable.
		arg = regexp.MustCompile(`\$\(\w+\)`).ReplaceAllStringFunc(arg, func(ref string) string {
			value, ok := vars[strings.Trim(ref, "$()")]
			if !ok {
				t.Errorf("%s: nothing sets %s", w.name, ref)
			}
			return value
		})
		cmd.args = append(cmd.args, mapped.Replace(arg))
	}
	var env []string
	for name, value := range vars {
		env = append(env, name+"="+value)
	}
	env = append(env, "FETCHSERVER_ALLOW_PRIVATE="+strings.TrimPrefix(g.page.URL, "http://"))
	cmd.env = withEnv(g.bin, env, g.front.env())
	probes := []probe{
		kubeProbe(w.template, container.StartupProbe, addr), kubeProbe(w.template, container.ReadinessProbe, addr), kubeProbe(w.template, container.LivenessProbe, addr),
	}
	cmd.ready = func(ctx context.Context) error {
		for _, p := range probes {
			if err := p(ctx); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

// fill writes what a volume has into a directory.
func (c *cluster) fill(t *testing.T, dir string, v corev1.Volume) {
	t.Helper()
	switch {
	case v.ConfigMap != nil:
		for name, text := range c.configMaps[v.ConfigMap.Name].Data {
			writeFile(t, filepath.Join(dir, name), text)
		}
	case v.Secret != nil:
		for name, text := range c.secrets[v.Secret.SecretName].Data {
			file := filepath.Join(dir, name)
			writeFile(t, file, string(text))
			if err := os.Chmod(file, os.FileMode(*v.Secret.DefaultMode)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func kubeProbe(pod *corev1.PodTemplateSpec, p *corev1.Probe, addr string) probe {
	var to probe
	switch {
	case p.HTTPGet != nil:
		to = httpProbe("http://" + addr + ":" + strconv.Itoa(int(containerPort(pod, p.HTTPGet.Port))) + p.HTTPGet.Path)
	case p.TCPSocket != nil:
		to = tcpProbe(addr + ":" + strconv.Itoa(int(containerPort(pod, p.TCPSocket.Port))))
	default:
		return func(context.Context) error { return errors.New("no probe") }
	}
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, time.Duration(max(p.TimeoutSeconds, 1))*time.Second)
		defer cancel()
		return to(ctx)
	}
}
