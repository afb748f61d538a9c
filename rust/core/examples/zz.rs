fn main() {
    for name in merganser_core::train::sentencepiece::rules::NAMES {
        let t = std::time::Instant::now();
        let b = merganser_core::train::sentencepiece::rules::charsmap_of(name).unwrap();
        println!("{name} {} {:?}", b.len(), t.elapsed());
        std::fs::write(format!("/tmp/SPM/rules/{name}.ours"), b).unwrap();
    }
}
