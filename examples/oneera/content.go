// SPDX-License-Identifier: Apache-2.0

package main

import "fmt"

const (
	// A red pixel, and silence.
	png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
	wav = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="
)

// contentTools return one kind of content each, or several.
func contentTools() []tool {
	returning := func(content ...object) func(*call) (object, error) {
		return func(*call) (object, error) { return contents(content...), nil }
	}
	words := textContent("This is a simple text response for testing.")
	picture := imageContent()
	resource := embedded("test://embedded-resource")
	return []tool{
		{"test_simple_text", "returns text", schema(""), returning(words)},
		{"test_image_content", "returns a picture", schema(""), returning(picture)},
		{"test_audio_content", "returns sound", schema(""), returning(object{"type": "audio", "data": wav, "mimeType": "audio/wav"})},
		{"test_embedded_resource", "returns a resource", schema(""), returning(resource)},
		{"test_multiple_content_types", "returns text, a picture and a resource", schema(""), returning(words, picture, resource)},
	}
}

func contents(content ...object) object { return object{"content": content} }

func textContent(format string, args ...any) object {
	return object{"type": "text", "text": fmt.Sprintf(format, args...)}
}

func imageContent() object { return object{"type": "image", "data": png, "mimeType": "image/png"} }

func embedded(uri string) object {
	return object{"type": "resource", "resource": object{
		"uri": uri, "mimeType": "text/plain", "text": "This is an embedded resource content.",
	}}
}
