"""Replies to questions about some texts, with what people would say of each: whether the text supports it.

`TUNED` is what the rules of `citations_support` were fitted to; `UNSEEN` was written down before they were tried on it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["right", "refusal", "foreign", "near"]
"""What a reply is: right; says itself that nothing is known; the model's own; or the model's own in the text's words,
which no look at words can tell from a right one."""

TEXTS = {
    "tea": (
        "Green tea is brewed at 80 °C for two to three minutes, black tea with boiling water for five. "
        "White tea needs 70 °C. Store the leaves in a dark tin, away from spices. The samovar holds 4.5 litres."
    ),
    "lease": (
        "The tenant, Maria Jansen, pays EUR 1,250 on the first day of each month. Smoking is prohibited in all rooms. "
        "Pets require the landlord's written consent. Either party may end the lease with three months' notice. "
        "The deposit of three monthly rents is returned within 30 days after the keys were handed over."
    ),
    "report": (
        "A new furnace hall will open in March 2025. It costs 6.5 million euros and replaces the hall from 1961. "
        "The boiler was delivered late, and no dividend will be paid this year. Staff grew from 112 to 140. "
        "The board: Anna Petrova (chair), Jonas Weber, Li Wei."
    ),
    "router": (
        "To reset the router, hold the button for 10 seconds until the light turns red. The default password is "
        "printed on the label. Port 8080 serves the admin page. "
        "Updates are installed at night, between 02:00 and 04:00."
    ),
    "vertrag": (
        "Der Vertrag beginnt am 1. Mai 2024 und hat eine Laufzeit von zwei Jahren. Die Kündigungsfrist beträgt sechs "
        "Wochen. Herr Schulze ist der Ansprechpartner. Die Miete von 940 Euro schließt die Heizkosten nicht ein."
    ),
    "recette": (
        "Faire fondre 200 g de beurre avec le chocolat noir. Ajouter quatre œufs et le sucre. Cuire à 180 °C pendant "
        "vingt-cinq minutes. Le gâteau se conserve trois jours au frais."
    ),
    "新聞": "東京都庁は新宿区にある。新しい図書館は2025年3月に開館し、蔵書は12万冊である。休館日は月曜日。",
}


class Row(NamedTuple):
    """- text: which of `TEXTS`."""

    kind: Kind
    text: str
    question: str
    reply: str


def _rows(kind: Kind, *rows: tuple[str, str, str]) -> list[Row]:
    return [Row(kind, *row) for row in rows]


_CAPITAL = "What is the capital of Peru?"

TUNED = [
    *_rows(
        "right",
        ("tea", "How hot should the water for green tea be?", "green tea is 80 degrees"),
        ("tea", "How hot should the water for green tea be?", "80"),
        ("tea", "How hot should the water for green tea be?", "Eighty degrees Celsius."),
        ("tea", "How long does green tea brew?", "2-3 min"),
        ("tea", "How long does black tea take?", "It takes 5 minutes."),
        ("tea", "How should I keep the leaves?", "Dark container, not near spices"),
        ("tea", "Which is the coolest?", "White tea."),
        ("tea", "How much fits into the samovar?", "4,5 l"),
        ("tea", "How much cooler is the water for white tea than for green?", "10 degrees cooler."),
        ("tea", "Is green tea made with boiling water?", "No."),
        ("tea", "Name the kinds of tea.", "- green\n- black\n- white"),
        ("tea", "¿A qué temperatura se prepara el té verde?", "Se prepara a 80 grados."),
        ("lease", "May I smoke in the kitchen?", "No, it is forbidden."),
        ("lease", "May I smoke in the kitchen?", "It is not allowed."),
        ("lease", "Who lives there?", "Mrs. Jansen"),
        ("lease", "How much is the rent?", "1250€"),
        ("lease", "How much is the rent?", "The rent is twelve hundred and fifty euros a month."),
        ("lease", "How high is the deposit?", "3750 euros"),
        ("lease", "Can I have a dog?", "Only if the owner agrees in writing."),
        ("lease", "How do I end it?", "Give 3 months notice."),
        ("lease", "When do I get the deposit back?", "After a month at the latest."),
        ("report", "When does the hall open?", "Next spring: March."),
        ("report", "How old is the old hall?", "It is from the sixties."),
        ("report", "How many people were hired?", "28 people."),
        ("report", "Who leads the board?", "Petrova."),
        ("report", "Will there be a dividend?", "There won't be any."),
        ("report", "List the board.", "1. Anna Petrova\n2. Jonas Weber\n3. Li Wei"),
        ("report", "How many are on the board?", "Three people."),
        ("report", "Wie teuer ist die neue Halle?", "Die Halle kostet 6,5 Millionen Euro."),
        ("router", "What does the light do?", "It becomes red."),
        ("router", "Where is the password?", "You find it on the sticker's label."),
        ("router", "When does it update itself?", "Between 2 and 4 o'clock in the morning."),
        ("router", "How do I reset it?", "Press and keep holding for ten seconds."),
        ("vertrag", "Wann beginnt der Vertrag?", "Im Mai 2024."),
        ("vertrag", "Wie lange läuft er?", "24 Monate."),
        ("vertrag", "Sind die Heizkosten enthalten?", "Nein, sie kommen dazu."),
        ("recette", "Combien d'œufs faut-il ?", "Il en faut 4."),
        ("recette", "How hot is the oven?", "It is 180 degrees."),
        ("新聞", "図書館はいつ開きますか", "2025年3月です。"),
        ("新聞", "都庁はどこですか", "新宿です。"),
    ),
    *_rows(
        "refusal",
        ("tea", _CAPITAL, "The documents do not mention Peru."),
        ("tea", _CAPITAL, "I'm sorry, but there is no information about Peru in the provided text."),
        ("lease", _CAPITAL, "Not in these documents."),
        ("report", _CAPITAL, "I don't know."),
        ("report", _CAPITAL, "I cannot answer that."),
        ("report", _CAPITAL, "No information available."),
        ("vertrag", "Wie heißt die Hauptstadt von Peru?", "Das steht nicht in den Dokumenten."),
        ("recette", "Quelle est la capitale du Pérou ?", "Je ne sais pas."),
    ),
    *_rows(
        "foreign",
        ("tea", _CAPITAL, "The capital of Peru is Lima."),
        ("report", _CAPITAL, "Lima"),
        ("lease", _CAPITAL, "Lima, a city on the Pacific coast with ten million inhabitants."),
        ("tea", "Who wrote War and Peace?", "Leo Tolstoy wrote it in 1869."),
        ("router", "Who wrote War and Peace?", "Leo Tolstoy"),
        ("report", "How do plants live?", "Photosynthesis turns sunlight into chemical energy inside chloroplasts."),
        ("lease", "How far is the moon?", "It is 384,400 kilometers away."),
        ("tea", "When did the war end?", "In 1945."),
        ("tea", "Who is the president?", "Barack Obama"),
        ("report", "What is the boiling point of nitrogen?", "Minus 196 degrees."),
        ("router", "How do I bake bread?", "Mix flour, yeast and salt, knead the dough, and let it rise."),
        ("router", "What is a prime number?", "An integer that only one and itself divide."),
        ("lease", "Write a poem.", "Roses bloom, violets sing, winter yields before spring."),
        ("vertrag", "Wie heißt die Hauptstadt von Peru?", "Die Hauptstadt von Peru ist Lima."),
        ("vertrag", "Wer schrieb den Faust?", "Goethe war es, der Dichter aus Weimar."),
        ("recette", "Quelle est la capitale du Pérou ?", "La capitale du Pérou est Lima."),
        ("recette", "Qui a écrit Les Misérables ?", "Victor Hugo est leur auteur."),
        ("新聞", "ペルーの首都はどこですか", "リマです。"),
        ("tea", "What is the speed of light?", "299,792 km/s"),
        ("report", "What is the tallest mountain?", "Mount Everest, in Nepal."),
        ("tea", "Tell me about dogs.", "Dogs are loyal companions descended from wolves."),
    ),
    *_rows(
        "near",
        ("tea", "How hot should the water for green tea be?", "90 °C."),
        ("tea", "How long does green tea brew?", "Seven minutes."),
        ("lease", "How much is the rent?", "EUR 990 on the first day of each month."),
        ("report", "When does the hall open?", "The hall opens in June 2027."),
        ("report", "Who leads the board?", "Jonas Weber."),
        ("report", "Will there be a dividend?", "Yes, a dividend will be paid."),
        ("router", "Which port is the admin page on?", "Port 443."),
        ("lease", "May I smoke?", "Yes, with the landlord's consent."),
    ),
]

UNSEEN = [
    *_rows(
        "right",
        ("tea", "What must the tin not stand next to?", "Spice"),
        ("tea", "How hot for white tea?", "seventy"),
        ("tea", "Which tea needs the hottest water?", "Black."),
        ("tea", "Should I use water at the boil for white tea?", "Not at all, 70 is enough."),
        ("tea", "Wie heiß muss das Wasser für grünen Tee sein?", "80 Grad"),
        ("tea", "How many litres for two full samovars?", "Nine litres."),
        ("lease", "Are cats allowed?", "With permission."),
        ("lease", "What is the tenant's first name?", "Maria"),
        ("lease", "When is rent due?", "At the start of the month, on the 1st."),
        ("lease", "What does a year of rent come to?", "15,000 euros."),
        ("lease", "Can I leave at once?", "No, you have to wait a quarter of a year."),
        ("lease", "How many rents is the deposit?", "3"),
        ("report", "What will the new hall replace?", "An older one, built 1961"),
        ("report", "Was the boiler on time?", "It came too late."),
        ("report", "Was the boiler on time?", "Nope, delayed."),
        ("report", "Did staff shrink?", "On the contrary: more employees now, 140."),
        ("report", "What does it cost?", "€6.5m"),
        ("router", "What colour is the light?", "Red"),
        ("router", "How long must I press?", "ten secs"),
        ("router", "Can I open the admin page?", "Yes, using port 8080"),
        ("router", "Does it update during the day?", "No, while you sleep."),
        ("vertrag", "Wer ist zuständig?", "Schulze"),
        ("vertrag", "Wie lang ist die Frist?", "6 Wochen"),
        ("vertrag", "What is the rent?", "The rent is 940 euros."),
        ("recette", "Combien de temps au four ?", "25 min"),
        ("recette", "Quel chocolat ?", "Du noir."),
        ("recette", "How long does it keep?", "Three days in the fridge."),
        ("新聞", "休みはいつですか", "毎週月曜日です"),
        ("新聞", "How many books does the library have?", "120,000 books."),
    ),
    *_rows(
        "refusal",
        ("tea", _CAPITAL, "I am unable to find the answer."),
        ("router", _CAPITAL, "The text doesn't say."),
        ("vertrag", "Wie heißt die Hauptstadt von Peru?", "Das weiß ich nicht."),
        ("新聞", "ペルーの首都はどこですか", "わかりません。"),
    ),
    *_rows(
        "foreign",
        ("report", "Who painted the Mona Lisa?", "Leonardo da Vinci painted it."),
        ("report", "How many planets are there?", "Eight planets orbit the sun."),
        ("lease", "What is the chemical formula of salt?", "NaCl"),
        ("tea", "Who invented the telephone?", "Alexander Graham Bell, 1876."),
        ("router", "What is the largest ocean?", "The Pacific Ocean."),
        ("router", "Explain gravity.", "Gravity pulls masses towards each other, as Newton described."),
        ("tea", "What is the population of France?", "About 68 million."),
        ("vertrag", "Wer war der erste Kanzler?", "Konrad Adenauer."),
        ("vertrag", "Wie hoch ist der Mount Everest?", "8849 Meter."),
        ("recette", "Quelle est la plus longue rivière ?", "Le Nil coule en Afrique."),
        ("lease", "Give me a joke.", "Why did the chicken cross? Because its friends waited there."),
        ("新聞", "富士山の高さは", "3776メートルです"),
        ("report", "How do vaccines work?", "They train immune cells to recognise viruses."),
    ),
]
