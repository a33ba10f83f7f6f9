// What a cluster would say to a manifest: it is read strictly, given its defaults and validated by the API server's own
// code, and its pods are put to the Pod Security Standards. Each object of each file named is a line of JSON.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/batch"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	"k8s.io/kubernetes/pkg/apis/batch/validation"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// A verdict is what becomes of one object.
type verdict struct {
	Kind string `json:"kind"`
	// Why the API server refuses it; nothing where it does not.
	Refused string `json:"refused"`
	// Why its pods are denied under each of the standards; nothing where they are not.
	Baseline   string `json:"baseline"`
	Restricted string `json:"restricted"`
}

func main() {
	log.SetFlags(0)
	standards, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		log.Fatal(err)
	}
	lines := json.NewEncoder(os.Stdout)
	for _, file := range os.Args[1:] {
		content, err := os.ReadFile(file)
		if err != nil {
			log.Fatal(err)
		}
		documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
		for {
			document, err := documents.Read()
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				log.Fatalf("%s: %v", file, err)
			}
			if err := lines.Encode(judge(document, standards)); err != nil {
				log.Fatal(err)
			}
		}
	}
}

func judge(document []byte, standards policy.Evaluator) verdict {
	codecs := serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict)
	object, kind, err := codecs.UniversalDeserializer().Decode(document, nil, nil)
	if err != nil {
		return verdict{Refused: err.Error()}
	}
	legacyscheme.Scheme.Default(object)
	internal, err := legacyscheme.Scheme.ConvertToVersion(object, runtime.InternalGroupVersioner)
	if err != nil {
		return verdict{Kind: kind.Kind, Refused: err.Error()}
	}
	v := verdict{Kind: kind.Kind}
	if errors := validate(internal); len(errors) > 0 {
		v.Refused = errors.ToAggregate().Error()
	}
	if meta, spec := podOf(object); spec != nil {
		denied := func(level api.Level) string {
			against := api.LevelVersion{Level: level, Version: api.LatestVersion()}
			result := policy.AggregateCheckResults(standards.EvaluatePod(against, meta, spec))
			if result.Allowed {
				return ""
			}
			return result.ForbiddenDetail()
		}
		v.Baseline, v.Restricted = denied(api.LevelBaseline), denied(api.LevelRestricted)
	}
	return v
}

// What the API server does with a new object, after its defaults. Kinds that are not here have a schema only.
func validate(object runtime.Object) field.ErrorList {
	switch object := object.(type) {
	case *batch.Job:
		object.Namespace, object.UID = "default", "5f0c7a3e-0000-4000-8000-000000000000"
		selectOwnPods(object)
		options := pod.GetValidationOptionsFromPodTemplate(&object.Spec.Template, nil)
		return validation.ValidateJobCreate(object, validation.JobValidationOptions{
			PodValidationOptions:  options,
			RequirePrefixedLabels: true,
		})
	case *batch.CronJob:
		object.Namespace = "default"
		options := pod.GetValidationOptionsFromPodTemplate(&object.Spec.JobTemplate.Spec.Template, nil)
		return validation.ValidateCronJobCreate(object, options)
	}
	return nil
}

// The labels by which a Job knows its pods, which the API server adds.
func selectOwnPods(job *batch.Job) {
	labels := map[string]string{}
	for name, value := range job.Spec.Template.Labels {
		labels[name] = value
	}
	uid := string(job.UID)
	labels[batch.LegacyJobNameLabel], labels[batch.JobNameLabel] = job.Name, job.Name
	labels[batch.LegacyControllerUidLabel], labels[batch.ControllerUidLabel] = uid, uid
	job.Spec.Template.Labels = labels
	job.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{batch.ControllerUidLabel: uid}}
}

func podOf(object runtime.Object) (*metav1.ObjectMeta, *corev1.PodSpec) {
	switch object := object.(type) {
	case *batchv1.Job:
		return &object.Spec.Template.ObjectMeta, &object.Spec.Template.Spec
	case *batchv1.CronJob:
		template := &object.Spec.JobTemplate.Spec.Template
		return &template.ObjectMeta, &template.Spec
	}
	return nil, nil
}
