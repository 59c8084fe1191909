// SPDX-License-Identifier: Apache-2.0

//go:build linux

package deploycheck

import (
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// A workload is a Deployment or a StatefulSet.
type workload struct {
	kind, name string
	replicas   *int32
	selector   *metav1.LabelSelector
	template   *corev1.PodTemplateSpec
	claims     []corev1.PersistentVolumeClaim
}

func (c *cluster) workloads() (list []workload) {
	for _, d := range c.deployments {
		list = append(list, workload{"Deployment", d.Name, d.Spec.Replicas, d.Spec.Selector, &d.Spec.Template, nil})
	}
	for _, s := range c.statefulSets {
		list = append(list, workload{"StatefulSet", s.Name, s.Spec.Replicas, s.Spec.Selector, &s.Spec.Template, s.Spec.VolumeClaimTemplates})
	}
	return list
}

func (c *cluster) workload(name string) workload {
	all := c.workloads()
	return all[slices.IndexFunc(all, func(w workload) bool { return w.name == name })]
}

// selected are the names of the workloads whose pods a selector finds.
func (c *cluster) selected(t *testing.T, selector *metav1.LabelSelector) (names []string) {
	t.Helper()
	s, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range c.workloads() {
		if s.Matches(labels.Set(w.template.Labels)) {
			names = append(names, w.name)
		}
	}
	return names
}

func TestKubernetesRules(t *testing.T) {
	dir := copyOf(t, "kubernetes")
	placeholders(t, dir)
	c := buildCluster(t, dir)
	if len(c.namespaces) != 1 || c.namespaces[0].Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
		t.Error("the namespace does not demand restricted pods")
	}
	for _, w := range c.workloads() {
		c.checkWorkload(t, w)
		c.checkPod(t, w)
	}
	for name, s := range c.services {
		to := c.selected(t, &metav1.LabelSelector{MatchLabels: s.Spec.Selector})
		if len(to) != 1 {
			t.Errorf("service %s selects %q", name, to)
			continue
		}
		for _, p := range s.Spec.Ports {
			if containerPort(c.workload(to[0]).template, p.TargetPort) == 0 {
				t.Errorf("service %s: %s has no port %s", name, to[0], p.TargetPort.String())
			}
		}
	}
	for _, b := range c.budgets {
		if to := c.selected(t, b.Spec.Selector); len(to) != 1 || b.Spec.MaxUnavailable.IntValue() != 1 {
			t.Errorf("budget %s selects %q", b.Name, to)
		}
	}
	for _, s := range c.scalers {
		target := s.Spec.ScaleTargetRef
		i := slices.IndexFunc(c.workloads(), func(w workload) bool { return w.kind == target.Kind && w.name == target.Name })
		switch {
		case i < 0 || target.APIVersion != "apps/v1":
			t.Errorf("scaler %s scales %v, which is not there", s.Name, target)
		case c.workloads()[i].replicas != nil:
			t.Errorf("%s has replicas, which each apply would set back from what scaler %s says", target.Name, s.Name)
		case *s.Spec.MinReplicas < 2 || s.Spec.MaxReplicas < *s.Spec.MinReplicas:
			t.Errorf("scaler %s: %d to %d", s.Name, *s.Spec.MinReplicas, s.Spec.MaxReplicas)
		}
	}
	c.checkRoutes(t)
}

// checkWorkload holds what is about pods of one workload together.
func (c *cluster) checkWorkload(t *testing.T, w workload) {
	t.Helper()
	if got := c.selected(t, w.selector); !slices.Equal(got, []string{w.name}) {
		t.Errorf("%s selects %q", w.name, got)
	}
	program := programOf(w.template.Spec.Containers[0].Image)
	if program == "" {
		return // a Valkey
	}
	if len(w.template.Spec.TopologySpreadConstraints) == 0 {
		t.Errorf("all pods of %s may be on one node", w.name)
	}
	for _, spread := range w.template.Spec.TopologySpreadConstraints {
		if got := c.selected(t, spread.LabelSelector); !slices.Equal(got, []string{w.name}) {
			t.Errorf("%s is spread with %q", w.name, got)
		}
	}
	budgets := 0
	for _, b := range c.budgets {
		if slices.Contains(c.selected(t, b.Spec.Selector), w.name) {
			budgets++
		}
	}
	if budgets != 1 {
		t.Errorf("%s has %d disruption budgets", w.name, budgets)
	}
}

// checkPod holds what is about one pod.
func (c *cluster) checkPod(t *testing.T, w workload) {
	t.Helper()
	spec := w.template.Spec
	pod := spec.SecurityContext
	if pod == nil || !isTrue(pod.RunAsNonRoot) || pod.RunAsUser == nil || *pod.RunAsUser == 0 ||
		pod.SeccompProfile == nil || pod.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("pod of %s is not hardened", w.name)
	}
	if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken || spec.HostNetwork || spec.HostPID || spec.HostIPC {
		t.Errorf("pod of %s has more than it needs", w.name)
	}
	if spec.EnableServiceLinks == nil || *spec.EnableServiceLinks {
		t.Errorf("pod of %s has a variable for each service", w.name)
	}
	volumes := map[string]bool{}
	for _, v := range spec.Volumes {
		volumes[v.Name] = false
		switch {
		case v.Secret != nil:
			secret := c.secrets[v.Secret.SecretName]
			if secret == nil {
				t.Errorf("%s: there is no secret %s", w.name, v.Secret.SecretName)
				continue
			}
			for _, item := range v.Secret.Items {
				if _, ok := secret.Data[item.Key]; !ok {
					t.Errorf("%s: secret %s has no %s", w.name, secret.Name, item.Key)
				}
			}
			if v.Secret.DefaultMode == nil || *v.Secret.DefaultMode != 0o440 || pod.FSGroup == nil || *pod.FSGroup != *pod.RunAsGroup {
				t.Errorf("%s: its group alone has to read %s", w.name, secret.Name)
			}
		case v.ConfigMap != nil:
			if c.configMaps[v.ConfigMap.Name] == nil {
				t.Errorf("%s: there is no config map %s", w.name, v.ConfigMap.Name)
			}
		case v.EmptyDir == nil:
			t.Errorf("%s: volume %s is none of those", w.name, v.Name)
		}
	}
	for _, claim := range w.claims {
		volumes[claim.Name] = false
	}
	for _, container := range spec.Containers {
		c.checkContainer(t, w, container)
		for _, mount := range container.VolumeMounts {
			if _, ok := volumes[mount.Name]; !ok {
				t.Errorf("%s mounts %s, which is no volume", w.name, mount.Name)
			}
			volumes[mount.Name] = true
		}
	}
	for name, used := range volumes {
		if !used {
			t.Errorf("%s: nobody mounts the volume %s", w.name, name)
		}
	}
}

func (c *cluster) checkContainer(t *testing.T, w workload, container corev1.Container) {
	t.Helper()
	s := container.SecurityContext
	if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || !isTrue(s.ReadOnlyRootFilesystem) || isTrue(s.Privileged) ||
		s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(s.Capabilities.Add) > 0 {
		t.Errorf("container of %s is not hardened", w.name)
	}
	if container.Resources.Requests.Cpu().IsZero() || container.Resources.Requests.Memory().IsZero() || container.Resources.Limits.Memory().IsZero() {
		t.Errorf("container of %s asks for nothing, or may have everything", w.name)
	}
	for kind, p := range map[string]*corev1.Probe{"startup": container.StartupProbe, "readiness": container.ReadinessProbe, "liveness": container.LivenessProbe} {
		switch {
		case p == nil:
			t.Errorf("%s has no %s probe", w.name, kind)
		case p.HTTPGet != nil && containerPort(w.template, p.HTTPGet.Port) == 0, p.TCPSocket != nil && containerPort(w.template, p.TCPSocket.Port) == 0:
			t.Errorf("%s: the %s probe asks a port that is not there", w.name, kind)
		}
	}
	for _, source := range container.EnvFrom {
		if source.ConfigMapRef == nil || c.configMaps[source.ConfigMapRef.Name] == nil {
			t.Errorf("%s takes its environment from what is not there", w.name)
		}
	}
	for _, v := range container.Env {
		if v.ValueFrom == nil || v.ValueFrom.FieldRef != nil {
			continue
		}
		ref := v.ValueFrom.ConfigMapKeyRef
		if ref == nil || c.configMaps[ref.Name] == nil {
			t.Errorf("%s: %s is of what is not there, or of a secret", w.name, v.Name)
		} else if _, ok := c.configMaps[ref.Name].Data[ref.Key]; !ok {
			t.Errorf("%s: config map %s has no %s", w.name, ref.Name, ref.Key)
		}
	}
	program := programOf(container.Image)
	if program == "" {
		if !strings.HasPrefix(container.Image, "valkey/valkey:") {
			t.Errorf("%s: image %s", w.name, container.Image)
		}
		return
	}
	checkImage(t, w.name, container.Image, program)
	need := flagSeconds(t, container.Args, "--drain-timeout") + flagSeconds(t, container.Args, "--drain-delay")
	if grace := float64(*w.template.Spec.TerminationGracePeriodSeconds); grace < need+5 || need < 10 {
		t.Errorf("%s has %v s to end, and takes up to %v s", w.name, grace, need)
	}
}

// checkRoutes holds that each host leads to a service, by a listener for it.
func (c *cluster) checkRoutes(t *testing.T) {
	t.Helper()
	hosts := map[string]bool{"auth." + domain: false, "mcp." + domain: false, "fetch." + domain: false}
	for _, r := range c.routes {
		for _, host := range r.Spec.Hostnames {
			if _, ok := hosts[string(host)]; !ok {
				t.Errorf("route %s: host %s is none of BASE_DOMAIN", r.Name, host)
			}
			hosts[string(host)] = true
		}
		for _, parent := range r.Spec.ParentRefs {
			if !slices.ContainsFunc(c.gateways, func(g *gatewayv1.Gateway) bool {
				return g.Name == string(parent.Name) && slices.ContainsFunc(g.Spec.Listeners, func(l gatewayv1.Listener) bool {
					return l.Name == *parent.SectionName && *l.Hostname == r.Spec.Hostnames[0] && l.TLS != nil && len(l.TLS.CertificateRefs) == 1
				})
			}) {
				t.Errorf("route %s: no listener %s with its host and a certificate", r.Name, *parent.SectionName)
			}
		}
		for _, rule := range r.Spec.Rules {
			for _, b := range rule.BackendRefs {
				s := c.services[string(b.Name)]
				if s == nil || !slices.ContainsFunc(s.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == int32(*b.Port) }) {
					t.Errorf("route %s: no service %s with port %d", r.Name, b.Name, *b.Port)
				}
			}
		}
	}
	for host, routed := range hosts {
		if !routed {
			t.Errorf("%s leads nowhere", host)
		}
	}
	for name, want := range map[string]bool{"gateway": true, "servers": true} {
		found := slices.ContainsFunc(slices.Collect(maps.Keys(c.configMaps)), func(n string) bool { return strings.HasPrefix(n, name+"-") })
		if found != want {
			t.Errorf("config map %s: %t; pods would not start anew when it changes", name, found)
		}
	}
}

// TestNetworkPolicies asks the policies who reaches whom.
func TestNetworkPolicies(t *testing.T) {
	dir := copyOf(t, "kubernetes")
	placeholders(t, dir)
	c := buildCluster(t, dir)
	for _, p := range c.policies {
		if len(c.selected(t, &p.Spec.PodSelector)) == 0 {
			t.Errorf("policy %s selects nothing", p.Name)
		}
		// What a pod runs must not come to a dashboard, wherever it reaches out.
		for _, rule := range p.Spec.Egress {
			if len(rule.Ports) == 0 {
				t.Errorf("policy %s opens all ports of %+v", p.Name, rule.To)
			}
		}
	}
	for _, test := range []struct {
		from, to string
		port     int32
		want     bool
	}{
		{"oauthdyn", "auth-store", 6379, true},
		{"shproxy", "directory", 6379, true},
		{"shproxy", "shproxy", 7443, true},
		{"shproxy", "auth-store", 6379, false},
		{"shproxy", "oauthdyn", 9090, false},
		{"shproxy", "oauthdyn", 9000, false},
		{"shproxy", "shproxy", 9090, false},
		{"shproxy", "shproxy", 8080, false},
		{"shproxy", "fetchserver", 3000, false},
		{"fetchserver", "auth-store", 6379, false},
		{"fetchserver", "directory", 6379, false},
		{"fetchserver", "shproxy", 7443, false},
		{"fetchserver", "oauthdyn", 9090, false},
		{"oauthdyn", "directory", 6379, false},
		{"directory", "auth-store", 6379, false},
		{"auth-store", "oauthdyn", 9000, false},
	} {
		// Both sides have to say the same: one guards where the other has a gap.
		if out, in := c.reaches(t, test.from, test.to, test.port); out != test.want || in != test.want {
			t.Errorf("%s may reach out for port %d of %s: %t, which admits it: %t", test.from, test.port, test.to, out, in)
		}
	}
	// The proxies of the Gateway reach the public ports alone, Prometheus the
	// others of our programs.
	for namespace, port := range map[string]string{"traefik": "http", "monitoring": "admin"} {
		for _, w := range c.workloads() {
			for _, p := range w.template.Spec.Containers[0].Ports {
				got := c.admits(t, w, p.ContainerPort, func(peer networkingv1.NetworkPolicyPeer) bool {
					return peer.NamespaceSelector != nil && peer.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"] == namespace
				})
				if got != (p.Name == port) {
					t.Errorf("%s reaches %s of %s: %t", namespace, p.Name, w.name, got)
				}
			}
		}
	}
}

// reaches reports whether policies let pods of one workload connect to those of
// another, and whether they let these take the connection.
func (c *cluster) reaches(t *testing.T, from, to string, port int32) (leaves, enters bool) {
	t.Helper()
	source, target := c.workload(from), c.workload(to)
	is := func(w workload) func(networkingv1.NetworkPolicyPeer) bool {
		return func(peer networkingv1.NetworkPolicyPeer) bool {
			if peer.PodSelector == nil || peer.NamespaceSelector != nil || peer.IPBlock != nil {
				return false // elsewhere
			}
			return slices.Contains(c.selected(t, peer.PodSelector), w.name)
		}
	}
	for _, p := range c.policies {
		if !slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeEgress) || !slices.Contains(c.selected(t, &p.Spec.PodSelector), from) {
			continue
		}
		for _, rule := range p.Spec.Egress {
			if (len(rule.To) == 0 || slices.ContainsFunc(rule.To, is(target))) && hasPort(target.template, rule.Ports, port) {
				leaves = true
			}
		}
	}
	return leaves, c.admits(t, target, port, is(source))
}

func (c *cluster) admits(t *testing.T, w workload, port int32, from func(networkingv1.NetworkPolicyPeer) bool) bool {
	t.Helper()
	for _, p := range c.policies {
		if !slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeIngress) || !slices.Contains(c.selected(t, &p.Spec.PodSelector), w.name) {
			continue
		}
		for _, rule := range p.Spec.Ingress {
			if (len(rule.From) == 0 || slices.ContainsFunc(rule.From, from)) && hasPort(w.template, rule.Ports, port) {
				return true
			}
		}
	}
	return false
}

func hasPort(pod *corev1.PodTemplateSpec, ports []networkingv1.NetworkPolicyPort, port int32) bool {
	return len(ports) == 0 || slices.ContainsFunc(ports, func(p networkingv1.NetworkPolicyPort) bool {
		return p.Port == nil || containerPort(pod, *p.Port) == port
	})
}

// containerPort is the number of a port of the pod, 0 if it has not got it.
func containerPort(pod *corev1.PodTemplateSpec, port intstr.IntOrString) int32 {
	for _, container := range pod.Spec.Containers {
		for _, p := range container.Ports {
			if port.Type == intstr.String && p.Name == port.StrVal || port.Type == intstr.Int && p.ContainerPort == port.IntVal {
				return p.ContainerPort
			}
		}
	}
	return 0
}

func isTrue(b *bool) bool { return b != nil && *b }
