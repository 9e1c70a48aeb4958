// Converts objects as an apiserver does: with the converter of apiextensions-apiserver, which calls a webhook over HTTPS and judges
// what it answers. It reads one conversion a line and writes one outcome a line.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/conversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

type asked struct {
	URL string `json:"url"`
	// Certificates in PEM.
	CABundle string `json:"caBundle"`
	// An object, or a list with `items`.
	Object json.RawMessage `json:"object"`
	To     string          `json:"to"`
}

type outcome struct {
	Object any    `json:"object,omitempty"`
	Error  string `json:"error,omitempty"`
}

const group = "x.example.com"

func definition(given asked) *v1.CustomResourceDefinition {
	versions := []v1.CustomResourceDefinitionVersion{{Name: "v1", Served: true, Storage: true}, {Name: "v2", Served: true}}
	return &v1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "things." + group},
		Spec: v1.CustomResourceDefinitionSpec{
			Group:    group,
			Versions: versions,
			Conversion: &v1.CustomResourceConversion{
				Strategy: v1.WebhookConverter,
				Webhook: &v1.WebhookConversion{
					ClientConfig:             &v1.WebhookClientConfig{URL: &given.URL, CABundle: []byte(given.CABundle)},
					ConversionReviewVersions: []string{"v1", "v1beta1"},
				},
			},
		},
	}
}

func convert(factory *conversion.CRConverterFactory, given asked) (any, error) {
	converter, _, err := factory.NewConverter(definition(given))
	if err != nil {
		return nil, err
	}
	decoded, _, err := unstructured.UnstructuredJSONScheme.Decode(given.Object, nil, nil)
	if err != nil {
		return nil, err
	}
	return converter.ConvertToVersion(decoded, schema.GroupVersion{Group: group, Version: given.To})
}

func main() {
	factory, err := conversion.NewCRConverterFactory(nil, nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64*1024*1024)
	encoder := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var given asked
		if err := json.Unmarshal(lines.Bytes(), &given); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		converted, err := convert(factory, given)
		told := outcome{Object: converted}
		if err != nil {
			told = outcome{Error: err.Error()}
		}
		_ = encoder.Encode(told)
	}
}
