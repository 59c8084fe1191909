// SPDX-License-Identifier: Apache-2.0

//go:build linux

package deploycheck

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// A cluster is what the overlay is built to, by kind.
type cluster struct {
	namespaces   []*corev1.Namespace
	configMaps   map[string]*corev1.ConfigMap
	secrets      map[string]*corev1.Secret
	services     map[string]*corev1.Service
	deployments  []*appsv1.Deployment
	statefulSets []*appsv1.StatefulSet
	budgets      []*policyv1.PodDisruptionBudget
	scalers      []*autoscalingv2.HorizontalPodAutoscaler
	policies     []*networkingv1.NetworkPolicy
	gateways     []*gatewayv1.Gateway
	routes       []*gatewayv1.HTTPRoute
}

// decode reads an object as strictly as can be: a field that its type has not
// got, or that is there twice, is an error, and so is a kind that is not known
// here.
func (c *cluster) decode(document []byte) error {
	var kind struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	if err := yaml.Unmarshal(document, &kind); err != nil {
		return err
	}
	switch kind.APIVersion + " " + kind.Kind {
	case "v1 Namespace":
		return into(document, func(o *corev1.Namespace) { c.namespaces = append(c.namespaces, o) })
	case "v1 ConfigMap":
		return into(document, func(o *corev1.ConfigMap) { c.configMaps[o.Name] = o })
	case "v1 Secret":
		return into(document, func(o *corev1.Secret) { c.secrets[o.Name] = o })
	case "v1 Service":
		return into(document, func(o *corev1.Service) { c.services[o.Name] = o })
	case "apps/v1 Deployment":
		return into(document, func(o *appsv1.Deployment) { c.deployments = append(c.deployments, o) })
	case "apps/v1 StatefulSet":
		return into(document, func(o *appsv1.StatefulSet) { c.statefulSets = append(c.statefulSets, o) })
	case "policy/v1 PodDisruptionBudget":
		return into(document, func(o *policyv1.PodDisruptionBudget) { c.budgets = append(c.budgets, o) })
	case "autoscaling/v2 HorizontalPodAutoscaler":
		return into(document, func(o *autoscalingv2.HorizontalPodAutoscaler) { c.scalers = append(c.scalers, o) })
	case "networking.k8s.io/v1 NetworkPolicy":
		return into(document, func(o *networkingv1.NetworkPolicy) { c.policies = append(c.policies, o) })
	case "gateway.networking.k8s.io/v1 Gateway":
		return into(document, func(o *gatewayv1.Gateway) { c.gateways = append(c.gateways, o) })
	case "gateway.networking.k8s.io/v1 HTTPRoute":
		return into(document, func(o *gatewayv1.HTTPRoute) { c.routes = append(c.routes, o) })
	}
	return &os.PathError{Op: "decode", Path: kind.APIVersion + " " + kind.Kind, Err: os.ErrInvalid}
}

func into[T any](document []byte, add func(*T)) error {
	o := new(T)
	if err := yaml.UnmarshalStrict(document, o); err != nil {
		return err
	}
	add(o)
	return nil
}

func newCluster() *cluster {
	return &cluster{configMaps: map[string]*corev1.ConfigMap{}, secrets: map[string]*corev1.Secret{}, services: map[string]*corev1.Service{}}
}

func kustomize(dir string) ([]byte, error) {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return nil, err
	}
	return built.AsYaml()
}

// buildCluster builds the overlay of a copy of the directory.
func buildCluster(t *testing.T, dir string) *cluster {
	t.Helper()
	text, err := kustomize(filepath.Join(dir, "overlay"))
	if err != nil {
		t.Fatal(err)
	}
	c := newCluster()
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		if err := c.decode([]byte(document)); err != nil {
			t.Fatalf("%v\n%s", err, document)
		}
	}
	return c
}

// TestKubernetesSecrets holds that nobody gets a gateway whose secrets are known.
func TestKubernetesSecrets(t *testing.T) {
	dir := copyOf(t, "kubernetes")
	if _, err := kustomize(filepath.Join(dir, "overlay")); err == nil || !strings.Contains(err.Error(), "secrets/") {
		t.Errorf("it is built without secrets: %v", err)
	}
}

// TestKubernetesFiles reads the files as they are written, since kustomize lets
// some of what is there twice pass.
func TestKubernetesFiles(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(deploy, "kubernetes", "*", "*.yaml"))
	if err != nil || len(files) < 8 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, file := range files {
		if filepath.Base(file) == "kustomization.yaml" {
			continue // kustomize is strict about those
		}
		for document := range strings.SplitSeq(readFile(t, file), "\n---\n") {
			if err := newCluster().decode([]byte(document)); err != nil {
				t.Errorf("%s: %v\n%s", file, err, document)
			}
		}
	}
}

// placeholders are secrets to build with.
func placeholders(t *testing.T, dir string) {
	t.Helper()
	for _, name := range []string{"users", "oauthdyn-key", "auth-store-password", "github-client-secret", "directory-password", "replica-key"} {
		writeFile(t, filepath.Join(dir, "overlay", "secrets", name), "placeholder of "+name)
	}
}
